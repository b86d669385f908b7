package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/apiserver"
	"github.com/gitover/gitover/test/pg"
)

// A controller is a process of its own in these stories, so that it dies as one: its connections end, nothing is undone.

// asController, set in the environment, makes this program a controller.
const asController = "GITOVER_CONFORMANCE_CONTROLLER"

// order is what a controller shall do, and where it dies.
type order struct {
	Kind      int
	ID        string
	From, To  postgres.Server
	Names     postgres.Names
	Sessions  switchover.Sessions
	Point     switchover.Point
	Authority []byte
	Client    protocol.KeyPair
	Address   string
	Alone     bool
	Service   serviceAccess
}

func TestMain(m *testing.M) {
	if text := os.Getenv(asController); text != "" {
		fmt.Fprintln(os.Stderr, "the controller did not die:", control([]byte(text)))
		os.Exit(3)
	}
	log.SetLogger(logr.Discard())
	os.Exit(apiserver.Run(m, func(config *rest.Config) { api = config }))
}

// control makes a switch and dies at a point of it.
func control(text []byte) error {
	var o order
	if err := json.Unmarshal(text, &o); err != nil {
		return err
	}
	o.From.Password, o.To.Password = pg.Password, pg.Password
	pooler, err := kinds[o.Kind].control(o)
	if err != nil {
		return err
	}
	_, err = switchover.Switch(context.Background(), switchover.Input{
		ID: o.ID, From: o.From, To: o.To, Databases: databases, Names: o.Names, Limits: limits, Who: "controller",
		Poolers: []switchover.Pooler{pooler}, Sessions: o.Sessions, Alone: o.Alone,
		Report: func(phase protocol.Phase) error {
			_, err := fmt.Println(phase)
			return err
		},
		Trace: func(at switchover.Point) {
			if at == o.Point {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
		},
	})
	return err
}

// dieAt has a controller of its own die at a point of a switch.
func (s *stage) dieAt(in switchover.Input, point switchover.Point) {
	s.t.Helper()
	o := order{
		ID: in.ID, From: in.From, To: in.To, Names: in.Names, Sessions: in.Sessions, Point: point,
		Authority: s.authority.Pair.Certificate, Client: s.client, Address: s.proxy.address, Alone: in.Alone, Service: s.service,
	}
	for i, k := range kinds {
		if k.name == s.kind.name {
			o.Kind = i
		}
	}
	text, err := json.Marshal(o)
	must(s.t, err)
	cmd := exec.CommandContext(s.t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), asController+"="+string(text))
	var trouble bytes.Buffer
	cmd.Stderr, cmd.Stdout = &trouble, writer(func(line []byte) {
		for phase := range bytes.FieldsSeq(line) {
			must(s.t, in.Report(protocol.Phase(phase)))
		}
	})
	err = cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != -1 {
		s.t.Fatalf("the controller did not die at %s: %v\n%s", point, err, trouble.String())
	}
}

type writer func([]byte)

func (w writer) Write(line []byte) (int, error) {
	w(line)
	return len(line), nil
}

// A controller dies in the middle of a switch. Until the next one comes, the agents settle it, or the old server by itself.
func TestAControllerThatDiesInASwitchLosesNoRow(t *testing.T) {
	forEachKind(t, func(t *testing.T, k kind) {
		s := newStage(t, k)
		traffic := s.startTraffic()
		for _, point := range pg.Every(2, 1, []switchover.Point{
			switchover.PointHold, switchover.PointFence, switchover.PointMove, switchover.PointDecide, switchover.PointOpen, switchover.PointResume,
		}) {
			s.awaitGuard()
			begun, before := traffic.mark()
			in := s.input()
			s.dieAt(in, point)
			died := time.Now()
			alone := k.settles(point)
			if alone {
				traffic.knocks(died)
			}
			open := time.Since(died)
			state := s.recover(in, begun)
			f := traffic.feltSince(begun, before)
			t.Logf("%s, the controller dies at %s: %s, alone %t within %d ms; %s", k.name, point, state, alone, open.Milliseconds(), f)
			if alone && f.refused > longestRefusal {
				t.Errorf("at %s: new connections were refused: %s", point, f)
			}
			if f.connect > limits.Hold {
				t.Errorf("at %s: a new connection waited for longer than the limit: %s", point, f)
			}
			s.oneSideOpen()
			s.leads()
		}
		traffic.balances()
	})
}
