package supervisor

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gitover/gitover/test/cluster/layout"
)

// check tells whether something that a component needs is there.
type check func(context.Context) error

// checkInterval is how often a condition is looked at; each look is cheap.
const checkInterval = 100 * time.Millisecond

// until looks at a condition until it holds or ctx ends.
func until(ctx context.Context, holds check) error {
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	for {
		err := holds(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (last seen: %w)", ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

// insecure asks components on this node whether they are healthy; nothing secret
// travels.
var insecure = &http.Client{
	Timeout:   2 * time.Second,
	Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
}

func answers(url string) check {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := insecure.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", url, response.Status)
		}
		return nil
	}
}

func etcdAnswers(Config) check { return answers("http://127.0.0.1:2379/readyz") }

func apiServerReady(Config) check { return answers("https://127.0.0.1:6443/readyz") }

func imagesPrepared(Config) check {
	return func(context.Context) error {
		_, err := os.Stat(preparedMark)
		return err
	}
}

func runtimeAndAPIServerReady(c Config) check {
	return func(ctx context.Context) error {
		// Before that mark it is the preparing runtime that answers.
		if err := imagesPrepared(c)(ctx); err != nil {
			return err
		}
		connection, err := net.Dial("unix", layout.CRISocket)
		if err != nil {
			return err
		}
		connection.Close()
		return apiServerReady(c)(ctx)
	}
}
