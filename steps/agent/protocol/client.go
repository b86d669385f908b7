package protocol

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gitover/gitover/internal/crash"
	"github.com/gitover/gitover/steps/pooler"
)

// Client reaches one agent. It keeps one connection open, so that nothing but a round
// trip is spent inside a stall.
type Client struct {
	name, base string
	http       *http.Client
}

// NewClient reaches the agent at address (host:port) with ClientTLS's settings. name
// is for messages.
func NewClient(name, address string, config *tls.Config) *Client {
	transport := &http.Transport{
		TLSClientConfig:     config.Clone(),
		ForceAttemptHTTP2:   true,
		DialContext:         (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
		TLSHandshakeTimeout: 3 * time.Second,
		IdleConnTimeout:     time.Minute,
	}
	return &Client{name: name, base: "https://" + address, http: &http.Client{Transport: crash.HTTP(transport)}}
}

// Close drops the connection.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Name for messages.
func (c *Client) Name() string { return c.name }

// State reads the state of the pooler and its agent.
func (c *Client) State(ctx context.Context) (PoolerState, error) {
	var state PoolerState
	response, err := c.send(ctx, http.MethodGet, "/v1/state", nil)
	if err != nil {
		return state, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&state); err != nil {
		return state, fmt.Errorf("agent of pooler %s: %w", c.name, err)
	}
	return state, nil
}

// Averages of the work that passed the pooler.
func (c *Client) Averages(ctx context.Context) (found pooler.Averages, err error) {
	response, err := c.send(ctx, http.MethodGet, "/v1/averages", nil)
	if err != nil {
		return found, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&found); err != nil {
		return found, fmt.Errorf("agent of pooler %s: %w", c.name, err)
	}
	return found, nil
}

// Stage announces a switch.
func (c *Client) Stage(ctx context.Context, request StageRequest) error {
	return c.post(ctx, "/v1/stage", request)
}

// Flip leads held clients to the new side.
func (c *Client) Flip(ctx context.Context, switchID string) error {
	return c.post(ctx, "/v1/flip", SwitchRequest{SwitchID: switchID})
}

// Resume releases clients to the new side.
func (c *Client) Resume(ctx context.Context, switchID string) error {
	return c.post(ctx, "/v1/resume", SwitchRequest{SwitchID: switchID})
}

// Abort releases clients to the old side.
func (c *Client) Abort(ctx context.Context, switchID string) error {
	return c.post(ctx, "/v1/abort", SwitchRequest{SwitchID: switchID})
}

// Hold holds clients. An attended request outlives ctx once they are held: the agent ends it.
func (c *Client) Hold(ctx context.Context, request HoldRequest, entered func()) error {
	open, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, end)
	err := c.hold(open, request, entered)
	if err == nil && request.Attended && stop() {
		return nil
	}
	end()
	if err != nil && ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return err
}

// hold returns once clients are held, and leaves the answer open.
func (c *Client) hold(ctx context.Context, request HoldRequest, entered func()) error {
	response, err := c.send(ctx, http.MethodPost, "/v1/hold", request) //nolint:bodyclose // the answer stays open for as long as the hold lasts
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(response.Body)
	for {
		var event HoldEvent
		if err := decoder.Decode(&event); err != nil {
			return fmt.Errorf("agent of pooler %s while holding: %w", c.name, err)
		}
		switch event.Event {
		case "entered":
			entered()
		case "held":
			return nil
		default:
			return c.refusal(Refusal{Error: event.Error, Code: event.Code})
		}
	}
}

func (c *Client) post(ctx context.Context, path string, body any) error {
	response, err := c.send(ctx, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return response.Body.Close()
}

func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, &UnreachableError{Pooler: c.name, Cause: err}
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	var refusal Refusal
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&refusal); err != nil {
		return nil, fmt.Errorf("agent of pooler %s: %s", c.name, response.Status)
	}
	return nil, c.refusal(refusal)
}

func (c *Client) refusal(body Refusal) error {
	switch body.Code {
	case CodeStale:
		return &StaleSwitchError{Pooler: c.name, Message: body.Error}
	case CodePooler:
		return &RefusedError{Pooler: c.name, Message: body.Error}
	case CodeReload:
		return &ReloadError{Pooler: c.name, Message: body.Error}
	}
	return fmt.Errorf("agent of pooler %s: %s", c.name, body.Error)
}
