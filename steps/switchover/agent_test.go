package switchover_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

func TestTheAgentObeysNobodyButTheController(t *testing.T) {
	s := newStage(t, 15, 17)
	p := s.poolers[0]
	stranger, err := protocol.NewAuthority("orders", "shop")
	must(t, err)
	strange, err := stranger.IssueClient()
	must(t, err)
	agents, err := s.authority.IssueServer("orders", "shop")
	must(t, err)
	try := func(name string, pair *protocol.KeyPair, proxyName string) {
		t.Helper()
		good, err := protocol.ClientTLS(s.authority.Pair.Certificate, s.client, proxyName, "shop")
		must(t, err)
		good.Certificates = nil
		if pair != nil {
			loaded, err := tls.X509KeyPair(pair.Certificate, pair.Key)
			must(t, err)
			good.Certificates = []tls.Certificate{loaded}
		}
		client := protocol.NewClient("x", p.Address, good)
		defer client.Close()
		if _, err := client.State(t.Context()); err == nil {
			t.Errorf("%s: let in", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	try("no certificate", nil, "orders")
	try("another authority", &strange, "orders")
	try("an agent's certificate", &agents, "orders")
	try("another proxy's name", &s.client, "invoices")
	for _, url := range []string{"http://" + p.Probes + "/healthz", "http://" + p.Probes + "/readyz"} {
		eventually(t, url, func() bool {
			response, err := http.Get(url)
			if err != nil {
				return false
			}
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			return response.StatusCode == http.StatusOK
		})
	}
}

func TestAStaleSwitchIsRefused(t *testing.T) {
	s := newStage(t, 15, 17)
	in := s.input()
	_, err := switchover.Switch(t.Context(), in)
	must(t, err)
	s.switched(in)
	for name, do := range map[string]func(switchover.Pooler) error{
		"stage": func(p switchover.Pooler) error {
			return p.Stage(t.Context(), protocol.StageRequest{SwitchID: in.ID, From: protocol.TargetOf(in.From, databases), To: protocol.TargetOf(in.To, databases)})
		},
		"hold": func(p switchover.Pooler) error {
			return p.Hold(t.Context(), protocol.HoldRequest{SwitchID: in.ID, LimitMilliseconds: 1000, MarginMilliseconds: 100}, func() {})
		},
		"abort":   func(p switchover.Pooler) error { return p.Abort(t.Context(), in.ID) },
		"another": func(p switchover.Pooler) error { return p.Flip(t.Context(), "another") },
	} {
		var stale *protocol.StaleSwitchError
		if err := do(in.Poolers[0]); !errors.As(err, &stale) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAPoolerThatStartsDuringASwitchLeadsToTheRightSide starts one before the decision and
// lets the switch go forward, then another that has no controller to wait for.
func TestAPoolerThatStartsDuringASwitchLeadsToTheRightSide(t *testing.T) {
	pg.Long(t)
	s := newStage(t, 15, 17)
	in := s.input()
	var late *pooler
	born := make(chan struct{})
	in.Trace = func(at switchover.Point) {
		if at != switchover.PointClear {
			return
		}
		asked := s.cables[in.From.Instance].connections()
		go func() {
			late = s.newPooler("late")
			close(born)
		}()
		// no one else opens sessions now
		eventually(t, "it has asked what stands, and asks again", func() bool {
			return s.cables[in.From.Instance].connections() >= asked+2
		})
		select {
		case <-born:
			t.Error("the pooler started before the decision")
		default:
		}
	}
	_, err := switchover.Switch(t.Context(), in)
	must(t, err)
	<-born
	s.switched(in)
	state, err := late.agent.State(t.Context())
	must(t, err)
	if state.Target.Instance != s.active || state.Paused {
		t.Errorf("the late pooler leads to %s, paused %t", state.Target.Instance, state.Paused)
	}
	text, err := os.ReadFile(late.TargetFile)
	must(t, err)
	if !strings.Contains(string(text), "* = host=") {
		t.Errorf("target file: %s", text)
	}
}

// TestAPoolerThatNobodyHeldJoins covers one that was missing when the controller looked.
func TestAPoolerThatNobodyHeldJoins(t *testing.T) {
	s := newStage(t, 15, 17)
	in := s.input()
	in.Poolers = in.Poolers[:1]
	in.Trace = func(at switchover.Point) {
		if at == switchover.PointFence {
			eventually(t, "the other pooler holds its clients", func() bool {
				state, err := s.poolers[1].agent.State(t.Context())
				return err == nil && state.Paused
			})
		}
	}
	_, err := switchover.Switch(t.Context(), in)
	must(t, err)
	s.switched(in)
	eventually(t, "it follows", func() bool {
		state, err := s.poolers[1].agent.State(t.Context())
		return err == nil && !state.Paused && state.Target.Instance == s.active
	})
}

func TestClientsThatGoPastThePoolerAreFencedToo(t *testing.T) {
	s := newStage(t, 15, 17)
	direct := s.servers[s.active].Server
	direct.User, direct.Password = "app", appPassword
	conn, err := direct.Connect(t.Context(), "orders")
	must(t, err)
	defer conn.Close(t.Context())
	in := s.input()
	result, err := switchover.Switch(t.Context(), in)
	must(t, err)
	s.switched(in)
	if len(result.Terminated) != 1 {
		t.Errorf("terminated %v", result.Terminated)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("the session on the old side lives on")
	}
	if _, err := direct.Connect(t.Context(), "orders"); !postgres.Refused(err) {
		t.Errorf("a new session on the old side: %v", err)
	}
}

// TestAPoolerThatRestartsInAHoldIsHeldAgain kills PgBouncer itself: its clients are cut off,
// but those that come back must not get past the hold.
func TestAPoolerThatRestartsInAHoldIsHeldAgain(t *testing.T) {
	s := newStage(t, 15, 17)
	for _, point := range []switchover.Point{switchover.PointMove, switchover.PointReady} {
		s.awaitGuard()
		in := s.input()
		in.Trace = func(at switchover.Point) {
			if at != point {
				return
			}
			s.poolers[0].Kill()
			s.poolers[0].Run()
			eventually(t, "the pooler is held again", func() bool {
				state, err := s.poolers[0].agent.State(t.Context())
				return err == nil && state.Paused
			})
		}
		_, err := switchover.Switch(t.Context(), in)
		must(t, err)
		s.switched(in)
		s.allServe()
		s.oneSideOpen()
	}
}

func TestAForgottenSwitchIsSettledByTheNext(t *testing.T) {
	s := newStage(t, 15, 17)
	register, err := fence.OpenRegister(t.Context(), s.servers[s.active].Server)
	must(t, err)
	defer register.Close(t.Context())
	_, err = register.Begin(t.Context(), fence.SwitchRow{ID: "forgotten", From: s.active, To: "gone", Databases: databases})
	must(t, err)
	_, err = register.Fence(t.Context(), "forgotten")
	must(t, err)
	in := s.input()
	_, err = switchover.Switch(t.Context(), in)
	must(t, err)
	s.switched(in)
	s.oneSideOpen()
}

// TestAnAgentTellsWhatQueriesTake, as PgBouncer measures it.
func TestAnAgentTellsWhatQueriesTake(t *testing.T) {
	s := newStage(t, 15, 17)
	s.poolerSettings = pg.Settings{"stats_period": "1"}
	p := s.newPooler("measured")
	before, err := p.agent.Averages(t.Context())
	must(t, err)
	if before.QueryMilliseconds != 0 {
		t.Errorf("nothing was asked yet: %+v", before)
	}
	config, err := pgx.ParseConfig("sslmode=disable")
	must(t, err)
	config.Host, config.Port, config.User, config.Password, config.Database = "127.0.0.1", uint16(p.Admin.Port), "app", appPassword, databases[0]
	conn, err := pgx.ConnectConfig(t.Context(), config)
	must(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	eventually(t, "queries of 20 ms are measured", func() bool {
		_, err := conn.Exec(t.Context(), "SELECT pg_sleep(0.02)")
		must(t, err)
		got, err := p.agent.Averages(t.Context())
		must(t, err)
		return got.QueryMilliseconds >= 20 && got.QueryMilliseconds < 2000 && got.TransactionMilliseconds >= 20 && got.QueriesPerSecond >= 1 && got.TransactionsPerSecond >= 1
	})
}
