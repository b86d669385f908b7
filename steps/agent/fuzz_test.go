package agent

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/pooler/pgbouncer"
)

// FuzzRequest: an agent understands what the controller writes, and refuses the rest
// without doing anything.
func FuzzRequest(f *testing.F) {
	whole, _ := json.Marshal(protocol.StageRequest{SwitchID: "s1", From: protocol.Target{Instance: "orders-15", Host: "a", Port: 5432, Databases: []string{"x"}}, To: protocol.Target{Host: "b", Port: 1, CA: []byte("pem")}})
	f.Add(whole)
	f.Add([]byte(`{"switchID":"s1","limitMilliseconds":-9223372036854775808}`))
	f.Add([]byte(`{"switchID":"s1","limitMilliseconds":-92233720368547}`))
	f.Add([]byte(`{"from":{"port":1e400}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		understood[protocol.StageRequest](t, body)
		understood[protocol.SwitchRequest](t, body)
		hold, ok := understood[protocol.HoldRequest](t, body)
		if ok && (hold.Limit() > 0) != (hold.LimitMilliseconds > 0) {
			t.Fatalf("a limit of %d ms is %s", hold.LimitMilliseconds, hold.Limit())
		}
	})
}

func understood[T any](t *testing.T, body []byte) (request T, ok bool) {
	t.Helper()
	answer := httptest.NewRecorder()
	ok = new(agent).read(answer, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body)), &request)
	if !ok {
		if answer.Code != http.StatusBadRequest {
			t.Fatalf("refused with %d", answer.Code)
		}
		return request, false
	}
	written, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	var again T
	if err := json.Unmarshal(written, &again); err != nil {
		t.Fatalf("%s is not understood: %v", written, err)
	}
	// as text: no bytes and none at all are the same to both sides
	if rewritten, err := json.Marshal(again); err != nil || !bytes.Equal(written, rewritten) {
		t.Fatalf("%s comes back as %s (%v)", written, rewritten, err)
	}
	return request, true
}

// FuzzStateFile: an agent starts with any file in the place of its own, and what it
// believes of it is whole.
func FuzzStateFile(f *testing.F) {
	whole, _ := json.Marshal(stateFile{Target: protocol.Target{Host: "a", Port: 1}, Hold: holdRecord{SwitchID: "s", Phase: protocol.PhaseHeld, Since: 1, Limit: time.Second}})
	f.Add(whole)
	f.Add([]byte(`{"target":{"host":"a","port":-1},"hold":{"sinceUptime":9223372036854775807,"limit":-1}}`))
	f.Add([]byte("\x00"))
	directory := f.TempDir()
	state, target := filepath.Join(directory, "state"), filepath.Join(directory, "target")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(state, content, 0o600); err != nil {
			t.Fatal(err)
		}
		a := newAgent(t.Context(), Options{StateFile: state, TargetFile: target})
		found, ok := a.recall()
		if !ok {
			return
		}
		if _, err := (pgbouncer.Driver{}).Render(t.Context(), poolerTarget(found.Target)); err != nil {
			t.Fatalf("a target that no file can hold was believed: %v", err)
		}
		if since := found.Hold.Since.sinceThisBoot(); since > now() {
			t.Fatalf("a hold began in the future: %d", since)
		}
		a.target, a.hold = found.Target, newHold(t.Context(), found.Hold)
		defer a.hold.end()
		if err := a.persist(); err != nil {
			t.Fatal(err)
		}
		if again, ok := a.recall(); !ok || !reflect.DeepEqual(again.Target, found.Target) || again.Hold.Phase != found.Hold.Phase || again.Hold.Since != found.Hold.Since {
			t.Fatalf("%+v comes back as %+v", found, again)
		}
	})
}

// FuzzProxy: an agent that reads any PgProxy never leads clients to half an address.
func FuzzProxy(f *testing.F) {
	f.Add([]byte(`{"spec":{"target":"orders-17"},"status":{"active":"orders-15","endpoint":{"host":"a","port":5432},"switch":{"id":"s","to":"orders-17","endpoint":{"host":"b","port":5432},"phase":"Holding"}}}`))
	f.Add([]byte(`{"status":{"active":"x","endpoint":{"host":"","port":-1}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p v1alpha1.PgProxy
		if json.Unmarshal(data, &p) != nil {
			return
		}
		active := activeOf(&p)
		for _, target := range []protocol.Target{active.Target, to(active)} {
			if !usable(target) {
				continue
			}
			if _, err := (pgbouncer.Driver{}).Render(t.Context(), poolerTarget(target)); err != nil {
				t.Fatalf("%+v counts as usable: %v", target, err)
			}
		}
	})
}

func to(a Active) protocol.Target {
	if a.Switch == nil {
		return protocol.Target{}
	}
	return a.Switch.To
}
