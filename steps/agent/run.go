package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/steps/agent/protocol"
)

// Run serves a pooler until ctx ends: it writes the pooler's target, does what the controller
// asks, and releases clients by itself when the controller is silent. It returns an error when
// it can't serve.
func Run(ctx context.Context, o Options) error {
	group, ctx := errgroup.WithContext(ctx)
	a := newAgent(ctx, o)
	changes := make(chan Active)
	group.Go(func() error {
		return o.Source.Run(ctx, func(active Active) {
			select {
			case changes <- active:
			case <-ctx.Done():
			}
		})
	})
	group.Go(func() error { return serve(ctx, o.ProbeListen, nil, a.probes()) })
	group.Go(func() error { return serve(ctx, o.Listen, a.serverTLS(), a.handler()) })
	group.Go(func() error {
		if err := a.start(ctx, changes); err != nil {
			return err
		}
		return a.run(ctx, changes)
	})
	err := group.Wait()
	a.tasks.Wait()
	if a.console != nil {
		a.console.Close(ctx)
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// serve answers HTTP until ctx ends. An empty address serves nothing.
func serve(ctx context.Context, address string, config *tls.Config, handler http.Handler) error {
	if address == "" {
		<-ctx.Done()
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: handler, TLSConfig: config, ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:    slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if config != nil {
		err = server.ServeTLS(listener, "", "")
	} else {
		err = server.Serve(listener)
	}
	if errors.Is(err, http.ErrServerClosed) && ctx.Err() != nil {
		return nil
	}
	return err
}

// serverTLS reads the certificate files at every handshake, so that renewed ones are used at
// once. The API requires the controller's certificate; the kubelet's probes have none.
func (a *agent) serverTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			pair, err := tls.LoadX509KeyPair(a.o.Certificate, a.o.Key)
			if err != nil {
				return nil, fmt.Errorf("load the agent's certificate: %w", err)
			}
			ca, err := os.ReadFile(a.o.CertificateAuthority)
			if err != nil {
				return nil, fmt.Errorf("load the certificate authority: %w", err)
			}
			pool := x509.NewCertPool()
			if !pool.AppendCertsFromPEM(ca) {
				return nil, errors.New("load the certificate authority: no PEM certificate")
			}
			return &tls.Config{
				MinVersion: tls.VersionTLS13, NextProtos: []string{"h2", "http/1.1"},
				Certificates: []tls.Certificate{pair}, ClientCAs: pool,
				ClientAuth: tls.VerifyClientCertIfGiven,
			}, nil
		},
	}
}

// sameTarget compares where clients are led.
func sameTarget(a, b protocol.Target) bool {
	x, y := slices.Sorted(slices.Values(a.Databases)), slices.Sorted(slices.Values(b.Databases))
	return a.Instance == b.Instance && a.Host == b.Host && a.Port == b.Port && slices.Equal(x, y)
}
