package pullrequest

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// conversation is what a host was asked and answers, in order, as its documentation has it.
type conversation struct {
	t     *testing.T
	turns []turn
}

type turn struct {
	// asked: method and path, with the query that counts.
	asked string
	// body has to have these members.
	body   map[string]string
	status int
	answer string
}

func (c *conversation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(c.turns) == 0 {
		c.t.Errorf("one question too many: %s %s", r.Method, r.URL)
		return
	}
	now := c.turns[0]
	c.turns = c.turns[1:]
	if got := r.Method + " " + r.URL.EscapedPath(); got != strings.SplitN(now.asked, "?", 2)[0] {
		c.t.Errorf("asked %s, want %s", got, now.asked)
	}
	if _, query, ok := strings.Cut(now.asked, "?"); ok {
		for pair := range strings.SplitSeq(query, "&") {
			if !strings.Contains(r.URL.RawQuery, pair) {
				c.t.Errorf("asked with %s, want %s", r.URL.RawQuery, pair)
			}
		}
	}
	if r.Header.Get("Authorization") != "Bearer s3cret-token" && r.Header.Get("Private-Token") != "s3cret-token" {
		c.t.Errorf("%s: without the token", now.asked)
	}
	if now.body != nil {
		got := map[string]any{}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			c.t.Error(err)
		}
		for key, want := range now.body {
			if got[key] != want {
				c.t.Errorf("%s: %s is %v, want %q", now.asked, key, got[key], want)
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(now.status)
	_, _ = w.Write([]byte(now.answer))
}

var green = Request{Branch: "gitover/orders/CommitGreen", Into: "main", Title: "orders: add 17", Body: "Why."}

// talk to a host that goes by a script, and fail if part of the script is left.
func talk(t *testing.T, provider, path string, turns ...turn) *Client {
	t.Helper()
	c := &conversation{t: t, turns: turns}
	server := httptest.NewServer(c)
	t.Cleanup(func() {
		server.Close()
		if len(c.turns) > 0 {
			t.Errorf("never asked: %s", c.turns[0].asked)
		}
	})
	client, err := New(Settings{Provider: provider, Repository: "ssh://git@git.example.com/" + path, API: server.URL, Token: "s3cret-token"})
	must(t, err)
	return client
}

func TestGitHubIsAskedAsItsDocumentationSays(t *testing.T) {
	const pulls = "/api/v3/repos/team/fleet/pulls"
	open := `{"number": 7, "state": "open", "html_url": "https://github.example.com/team/fleet/pull/7", "merged": false}`
	client := talk(t, GitHub, "team/fleet.git",
		turn{"GET " + pulls + "?state=open&head=team%3Agitover%2Forders%2FCommitGreen&base=main", nil, 200, "[]"},
		turn{"POST " + pulls, map[string]string{"title": green.Title, "body": green.Body, "head": green.Branch, "base": "main"}, 201, open},
		turn{"GET " + pulls, nil, 200, "[" + open + "]"},
		turn{"GET " + pulls + "/7", nil, 200, `{"number": 7, "state": "closed", "merged": true}`},
		turn{"GET " + pulls + "/7", nil, 200, `{"number": 7, "state": "closed", "merged": false}`},
		turn{"GET " + pulls, nil, 403, `{"message": "Resource not accessible by personal access token"}`},
		turn{"GET " + pulls, nil, 502, `bad gateway for s3cret-token`},
	)
	opensOnce(t, client, State{Number: 7, URL: "https://github.example.com/team/fleet/pull/7", Open: true})
	is(t, client, 7, State{Merged: true})
	is(t, client, 7, State{})
	refusals(t, client)
}

func TestGitLabIsAskedAsItsDocumentationSays(t *testing.T) {
	const requests = "/api/v4/projects/group%2Fsub%2Ffleet/merge_requests"
	open := `{"id": 1007, "iid": 7, "state": "opened", "web_url": "https://gitlab.example.com/group/sub/fleet/-/merge_requests/7"}`
	client := talk(t, GitLab, "group/sub/fleet.git",
		turn{"GET " + requests + "?state=opened&source_branch=gitover%2Forders%2FCommitGreen&target_branch=main", nil, 200, "[]"},
		turn{"POST " + requests, map[string]string{"title": green.Title, "description": green.Body, "source_branch": green.Branch, "target_branch": "main"}, 201, open},
		turn{"GET " + requests, nil, 200, "[" + open + "]"},
		turn{"GET " + requests + "/7", nil, 200, `{"iid": 7, "state": "merged"}`},
		turn{"GET " + requests + "/7", nil, 200, `{"iid": 7, "state": "closed"}`},
		turn{"GET " + requests, nil, 401, `{"message": "401 Unauthorized"}`},
		turn{"GET " + requests, nil, 502, `bad gateway for s3cret-token`},
	)
	opensOnce(t, client, State{Number: 7, URL: "https://gitlab.example.com/group/sub/fleet/-/merge_requests/7", Open: true})
	is(t, client, 7, State{Merged: true})
	is(t, client, 7, State{})
	refusals(t, client)
}

func opensOnce(t *testing.T, client *Client, want State) {
	t.Helper()
	for range 2 {
		got, err := client.Open(t.Context(), green)
		must(t, err)
		if got != want {
			t.Errorf("opened %+v, want %+v", got, want)
		}
	}
}

// refusals: a token without the right is for people to fix, a broken host answers again some time.
func refusals(t *testing.T, client *Client) {
	t.Helper()
	for _, want := range []error{ErrDenied, ErrHost} {
		if _, err := client.Open(t.Context(), green); !errors.Is(err, want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

func TestSettingsThatCannotBeRightAreNamed(t *testing.T) {
	right := Settings{Provider: GitHub, Repository: "https://github.com/team/fleet", Token: "s3cret-token"}
	if _, err := New(right); err != nil {
		t.Error(err)
	}
	for word, wrong := range map[string]func(*Settings){
		"none of GitHub":    func(s *Settings) { s.Provider = "Forge" },
		"owner/name":        func(s *Settings) { s.Repository = "https://github.com/fleet" },
		`"a/b/c"`:           func(s *Settings) { s.Repository = "https://github.com/a/b/c" },
		"https://host/path": func(s *Settings) { s.Repository = "git@github.com:team/fleet" },
		"no token":          func(s *Settings) { s.Token = "" },
		"address of a host": func(s *Settings) { s.API = "git.example.com" },
		"no certificate":    func(s *Settings) { s.CA = []byte("none") },
	} {
		s := right
		wrong(&s)
		if _, err := New(s); !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", word, err)
		}
	}
}
