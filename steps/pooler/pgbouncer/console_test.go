package pgbouncer_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gitover/gitover/steps/pooler/pgbouncer"
	"github.com/gitover/gitover/test/pg"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestThePoolerTakesAndRefusesTargets(t *testing.T) {
	p := pg.NewPgBouncer(t, map[string]string{"app": "x"}, nil)
	names := []string{"orders", `we "ird'; db`, "ünicode"}
	here := pgbouncer.Target{Host: "127.0.0.1", Port: 5001, Databases: names}
	there := pgbouncer.Target{Host: "127.0.0.2", Port: 5002, Databases: names}
	text, err := here.Render()
	if err != nil {
		t.Fatal(err)
	}
	write(t, p.TargetFile, text)
	p.Run()
	ctx := t.Context()
	console, err := p.Admin.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close(ctx)
	look := func() []pgbouncer.Database {
		t.Helper()
		found, err := console.Databases(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if err := here.Matches(look(), there); err != nil {
		t.Fatalf("%v\n%s\n%s", err, text, p.Log())
	}
	text, _ = there.Render()
	write(t, p.TargetFile, text)
	if err := console.Reload(ctx); err != nil {
		t.Fatal(err)
	}
	if err := there.Matches(look(), here); err != nil {
		t.Fatal(err)
	}
	write(t, p.TargetFile, "[databases\nnonsense")
	t.Logf("RELOAD of a broken file says %v", console.Reload(ctx))
	if err := here.Matches(look(), there); err == nil {
		t.Error("a broken file passes for a new target")
	}
}

func TestAPauseBeginsEndsAndIsRefusedTwice(t *testing.T) {
	p := pg.NewPgBouncer(t, nil, nil)
	p.Run()
	ctx := t.Context()
	console, err := p.Admin.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close(ctx)
	if err := console.Resume(ctx); err != nil {
		t.Errorf("RESUME when not paused: %v", err)
	}
	if err := console.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	if paused, err := console.Paused(ctx); err != nil || !paused {
		t.Errorf("paused: %t, %v", paused, err)
	}
	if err := console.Pause(ctx); !pgbouncer.AlreadyPaused(err) {
		t.Errorf("second PAUSE: %v", err)
	}
	if err := console.Resume(ctx); err != nil {
		t.Error(err)
	}
	wrong := p.Admin
	wrong.Password = "wrong"
	_, err = wrong.Connect(ctx)
	t.Logf("wrong password: %v", err)
}

// TestOtherProcessesOfThePodAreSeen, those of other pods aren't.
func TestOtherProcessesOfThePodAreSeen(t *testing.T) {
	for name, c := range map[string]struct {
		settings pg.Settings
		peers    string
		others   bool
	}{
		"alone":        {},
		"one port":     {settings: pg.Settings{"so_reuseport": "1"}, others: true},
		"other pods":   {settings: pg.Settings{"peer_id": "1"}, peers: "2 = host=10.1.2.3 port=6432"},
		"by a socket":  {settings: pg.Settings{"peer_id": "1"}, peers: "2 = host=/tmp/second port=6433", others: true},
		"by loopback":  {settings: pg.Settings{"peer_id": "1"}, peers: "2 = host=127.0.0.1 port=6433", others: true},
		"itself alone": {settings: pg.Settings{"peer_id": "1"}, peers: "1 = host=10.1.2.3 port=6432"},
	} {
		t.Run(name, func(t *testing.T) {
			p := pg.NewPgBouncer(t, nil, c.settings)
			ini := filepath.Join(p.Dir, "pgbouncer.ini")
			text, err := os.ReadFile(ini)
			if err != nil {
				t.Fatal(err)
			}
			write(t, ini, string(text)+"[peers]\n"+c.peers+"\n")
			p.Run()
			console, err := p.Admin.Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer console.Close(t.Context())
			others, err := console.Others(t.Context())
			if err != nil || (others != "") != c.others {
				t.Errorf("%q, %v", others, err)
			}
		})
	}
}
