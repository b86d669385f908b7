package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/pooler"
)

// maxRequest bounds what an agent reads.
const maxRequest = 4 << 20

type invalidRequestError struct{ message string }

func (e *invalidRequestError) Error() string { return e.message }

func errInvalid(message string) error { return &invalidRequestError{message} }

func (a *agent) stale(format string, args ...any) error {
	return &protocol.StaleSwitchError{Pooler: a.o.Name, Message: fmt.Sprintf(format, args...)}
}

// handler is the API for the controller.
func (a *agent) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/state", func(w http.ResponseWriter, _ *http.Request) {
		state, err := a.state()
		a.answer(w, state, err)
	})
	mux.HandleFunc("GET /v1/averages", func(w http.ResponseWriter, _ *http.Request) {
		averages, err := a.averages()
		a.answer(w, averages, err)
	})
	mux.HandleFunc("POST /v1/stage", func(w http.ResponseWriter, r *http.Request) {
		var request protocol.StageRequest
		if a.read(w, r, &request) {
			a.answer(w, struct{}{}, a.stage(request))
		}
	})
	mux.HandleFunc("POST /v1/hold", a.serveHold)
	for path, do := range map[string]func(string) error{"/v1/flip": a.flip, "/v1/resume": a.forward, "/v1/abort": a.abort} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			var request protocol.SwitchRequest
			if a.read(w, r, &request) {
				a.answer(w, struct{}{}, do(request.SwitchID))
			}
		})
	}
	outer := a.probes()
	outer.Handle("/v1/", onlyController(mux))
	return outer
}

// probes answers the kubelet, on a separate port, and healthz and readyz also beside the API:
// healthz once the target file is written and PgBouncer may start, readyz while the pooler
// confirms that it leads there.
func (a *agent) probes() *http.ServeMux {
	mux := http.NewServeMux()
	for path, ok := range map[string]func() bool{
		"/healthz": func() bool { return a.started },
		"/readyz":  func() bool { return a.started && a.verified },
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			a.mu.Lock()
			good := ok()
			a.mu.Unlock()
			if !good {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
	}
	return mux
}

// onlyController refuses every client without the controller's certificate, which the
// handshake has verified.
func onlyController(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || r.TLS.PeerCertificates[0].Subject.CommonName != protocol.ControllerName {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serveHold answers with one line when the hold is entered and one when it is complete. The end of an attended
// request tells it that the controller is gone: a process that dies leaves no connection open.
func (a *agent) serveHold(w http.ResponseWriter, r *http.Request) {
	var request protocol.HoldRequest
	if !a.read(w, r, &request) {
		return
	}
	h, err := a.beginHold(request)
	if err != nil {
		a.answer(w, nil, err)
		return
	}
	encoder := json.NewEncoder(w)
	say := func(event protocol.HoldEvent) {
		_ = encoder.Encode(event)
		_ = http.NewResponseController(w).Flush()
	}
	for _, stage := range []struct {
		reached chan struct{}
		name    string
	}{{h.entered, "entered"}, {h.held, "held"}} {
		select {
		case <-stage.reached:
			say(protocol.HoldEvent{Event: stage.name})
		case <-h.ctx.Done():
			say(protocol.HoldEvent{Event: "failed", Code: protocol.CodeStale, Error: "the hold is over"})
			return
		case <-r.Context().Done():
			a.desert(h, request)
			return
		}
	}
	if !request.Attended {
		return
	}
	select {
	case <-h.ctx.Done():
	case <-r.Context().Done():
		a.desert(h, request)
	}
}

func (a *agent) desert(h *hold, request protocol.HoldRequest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if request.Attended && a.life.Err() == nil {
		finish(h.controllerGone)
	}
}

func (a *agent) read(w http.ResponseWriter, r *http.Request, into any) bool {
	err := json.NewDecoder(io.LimitReader(r.Body, maxRequest)).Decode(into)
	if err != nil {
		a.answer(w, nil, errInvalid("not a request that this agent understands"))
	}
	return err == nil
}

func (a *agent) answer(w http.ResponseWriter, body any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err == nil {
		_ = json.NewEncoder(w).Encode(body)
		return
	}
	status, refusal := http.StatusInternalServerError, protocol.Refusal{Error: err.Error(), Code: protocol.CodeOther}
	var stale *protocol.StaleSwitchError
	var reload *protocol.ReloadError
	var refused *pooler.RefusedError
	var invalid *invalidRequestError
	switch {
	case errors.As(err, &stale):
		status, refusal = http.StatusConflict, protocol.Refusal{Error: stale.Message, Code: protocol.CodeStale}
	case errors.As(err, &reload):
		refusal = protocol.Refusal{Error: reload.Message, Code: protocol.CodeReload}
	case errors.As(err, &refused):
		refusal = protocol.Refusal{Error: refused.Error(), Code: protocol.CodePooler}
	case errors.As(err, &invalid):
		status, refusal.Code = http.StatusBadRequest, protocol.CodeInvalid
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(refusal)
}
