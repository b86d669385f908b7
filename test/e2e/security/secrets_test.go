package security

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/e2e/testenv"
)

// watchProcesses looks again and again at what runs on the node: schema Jobs and commands in
// pods live for a second. It returns what it found when it is stopped.
func (s *story) watchProcesses() (stop func() ([]string, error)) {
	s.t.Helper()
	if cluster.Existing() {
		return func() ([]string, error) { return nil, nil }
	}
	secrets, err := s.app.Secrets(s.t.Context())
	must(s.t, err)
	looking, end := context.WithCancel(s.t.Context())
	var found []string
	var failed error
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			places, err := testenv.ScanProcesses(stage, secrets)
			found, failed = append(found, places...), errors.Join(failed, err)
			select {
			case <-tick.C:
			case <-looking.Done():
				return
			}
		}
	})
	return func() ([]string, error) {
		end()
		ended.Wait()
		slices.Sort(found)
		return slices.Compact(found), failed
	}
}

// showsNoSecret: none is where people look, nor in the logs of the servers that run, although
// they log every statement since that time.
func (s *story) showsNoSecret(since time.Time, instances ...string) []testenv.Secret {
	s.t.Helper()
	secrets, err := s.app.Secrets(s.t.Context(), instances...)
	must(s.t, err)
	if len(secrets) < 8 {
		s.t.Fatalf("only %d secrets are looked for", len(secrets))
	}
	places, err := s.app.Scan(s.t.Context(), secrets, since)
	must(s.t, err)
	for _, place := range places {
		s.t.Errorf("a secret shows: %s", place)
	}
	return secrets
}

func (s *story) findsWhatIsPlanted(secrets []testenv.Secret, since time.Time) {
	s.t.Helper()
	ctx := s.t.Context()
	password := s.app.SuperuserSecret()["password"]
	must(s.t, s.app.Client.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.app.Namespace, Name: "planted"},
		Data: map[string]string{"url": "postgres://postgres:" + password + "@orders-15"}}))
	_, err := s.app.Exec(ctx, s.app.Namespace, "orders-15-0", "sh", "-c", "echo planted "+password+" >/proc/1/fd/2")
	must(s.t, err)
	places, err := s.app.Scan(ctx, secrets, since)
	must(s.t, err)
	for _, where := range []string{"ConfigMap planted", "the log of orders-15-0/postgres"} {
		if !slices.ContainsFunc(places, func(place string) bool { return strings.Contains(place, where) }) {
			s.t.Errorf("a secret that was planted in %s isn't found: %v", where, places)
		}
	}
	if cluster.Existing() {
		return
	}
	planted, stop := context.WithCancel(ctx)
	defer stop()
	// the shell waits, with the secret as an argument that it ignores
	ended := make(chan error, 1)
	go func() {
		_, err := s.app.Exec(planted, s.app.Namespace, "orders-15-0", "sh", "-c", "sleep 600; :", password)
		ended <- err
	}()
	must(s.t, s.app.Await(ctx, time.Minute, "a secret planted in arguments is found", func(context.Context) (bool, string, error) {
		select {
		case err := <-ended:
			return false, "", fmt.Errorf("the process that shows it ended: %w", err)
		default:
		}
		places, err := testenv.ScanProcesses(stage, secrets)
		return slices.ContainsFunc(places, func(place string) bool { return strings.Contains(place, "arguments") }), strings.Join(places, "; "), err
	}))
}
