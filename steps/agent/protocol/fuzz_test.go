package protocol

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
)

// FuzzAnswer: a controller takes no answer of an agent for success that doesn't say so.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(`{"event":"entered"}{"event":"held"}`))
	f.Add(409, []byte(`{"error":"no","code":"StaleSwitch"}`))
	f.Add(200, []byte(`{"event":"failed"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		client := &Client{name: "x", base: "http://agent", http: &http.Client{Transport: canned(func() *http.Response {
			answer := httptest.NewRecorder()
			answer.Code = status
			answer.Body = bytes.NewBuffer(body)
			return answer.Result()
		})}}
		entered := 0
		if err := client.Hold(t.Context(), HoldRequest{}, func() { entered++ }); err == nil && (status != 200 || !bytes.Contains(bytes.ToLower(body), []byte("event"))) {
			t.Fatalf("%d %q passes for held", status, body)
		}
		if _, err := client.State(t.Context()); err == nil && status != 200 {
			t.Fatalf("%d passes for a state", status)
		}
		if err := client.Flip(t.Context(), "s"); (err == nil) != (status == 200) {
			t.Fatalf("%d after a flip: %v", status, err)
		}
	})
}

type canned func() *http.Response

func (c canned) RoundTrip(*http.Request) (*http.Response, error) { return c(), nil }
