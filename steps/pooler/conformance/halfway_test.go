package conformance

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/steps/pooler/haproxy"
	"github.com/gitover/gitover/test/pg"
)

// halfway is an HAProxy with two ways in, and a runtime API that cuts the commands that begin with cut.
type halfway struct {
	t      *testing.T
	api    haproxy.Socket
	driver *haproxy.Driver
	cut    atomic.Value
}

func newHalfway(t *testing.T) *halfway {
	t.Helper()
	p := pg.NewProxy(t, "haproxy", map[string]string{"haproxy.cfg": fmt.Sprintf(haproxyConfig, pg.ReservePort(t), pg.ReservePort(t))},
		"/usr/sbin/haproxy", "-W", "-db", "-f", "/mnt/haproxy.cfg", "-f", "/mnt/target.cfg")
	h := &halfway{t: t, api: haproxy.Socket(filepath.Join(p.Dir, "haproxy.sock"))}
	h.cut.Store("nothing")
	near := filepath.Join(t.TempDir(), "near.sock")
	listener, err := net.Listen("unix", near)
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go h.carry(conn)
		}
	}()
	h.driver = &haproxy.Driver{Socket: haproxy.Socket(near), Frontends: []string{"postgres", "reports"}, LimitsFile: filepath.Join(p.Dir, "limits")}
	content, err := h.driver.Render(t.Context(), pooler.Target{Host: "127.0.0.1", Port: 5432})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(p.Dir, "target.cfg"), content, 0o600))
	must(t, os.Chmod(filepath.Join(p.Dir, "target.cfg"), 0o644))
	p.Run()
	if !within(5*time.Second, func() bool { _, err := h.driver.Connect(t.Context()); return err == nil }) {
		t.Fatal(p.Log())
	}
	return h
}

// carry a command and its answer.
func (h *halfway) carry(near net.Conn) {
	defer near.Close()
	command, err := bufio.NewReader(near).ReadString('\n')
	if err != nil || strings.HasPrefix(command, h.cut.Load().(string)) {
		return
	}
	far, err := net.Dial("unix", string(h.api))
	if err != nil {
		return
	}
	defer far.Close()
	_, _ = io.WriteString(far, command)
	_, _ = io.Copy(near, far)
}

// limits in force.
func (h *halfway) limits() string {
	h.t.Helper()
	answer, err := h.api.Do(h.t.Context(), "show stat -1 1 -1")
	must(h.t, err)
	rows, err := csv.NewReader(strings.NewReader(answer)).ReadAll()
	must(h.t, err)
	var all []string
	for _, row := range rows[1:] {
		for i, name := range rows[0] {
			if name == "slim" {
				all = append(all, row[0]+" "+row[i])
			}
		}
	}
	return strings.Join(all, ", ")
}

// HAProxy stops answering between the two frontends of a hold, or of its end: whoever waits at the one that stayed closed goes
// on when clients are released, and whoever asks before sees that not all of them are.
func TestAFrontendThatStayedClosedIsOpenedAgain(t *testing.T) {
	const open, closed = "postgres 1000, reports 70", "postgres 0, reports 0"
	for _, frontend := range []string{"postgres", "reports"} {
		h := newHalfway(t)
		session, err := h.driver.Connect(t.Context())
		must(t, err)
		expect := func(limits string, all, some bool) {
			t.Helper()
			if got := h.limits(); limits != "" && got != limits {
				t.Errorf("%s cut: %s, want %s", frontend, got, limits)
			}
			if a, s, err := session.Paused(t.Context()); a != all || s != some || err != nil {
				t.Errorf("%s cut: all held %t, some %t, %v", frontend, a, s, err)
			}
		}
		breaks := func(do func() error) {
			t.Helper()
			h.cut.Store("set maxconn frontend " + frontend)
			err := do()
			h.cut.Store("nothing")
			if err == nil {
				t.Error("a command without an answer passes for one that succeeded")
			}
		}
		expect(open, false, false)
		breaks(func() error { return session.Pause(t.Context()) })
		expect("", false, true)
		must(t, session.Resume(t.Context()))
		expect(open, false, false)

		must(t, session.Pause(t.Context()))
		expect(closed, true, true)
		breaks(func() error { return session.Resume(t.Context()) })
		expect("", false, true)
		must(t, session.Pause(t.Context())) // the next switch
		expect(closed, true, true)
		must(t, session.Resume(t.Context()))
		expect(open, false, false)
	}
}
