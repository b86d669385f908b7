package pullrequest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/gitover/gitover/test/gitea"
)

// TestAPullRequestIsOpenedOnceMergedAndClosedAtGitea, a real one.
func TestAPullRequestIsOpenedOnceMergedAndClosedAtGitea(t *testing.T) {
	server := gitea.Start(t)
	remote := server.Repository("fleet")
	work := filepath.Join(t.TempDir(), "work")
	git(t, "", "clone", "-q", remote, work)
	for _, branch := range []string{"gitover/orders/CommitGreen", "gitover/orders/CommitCutover", "others"} {
		git(t, work, "checkout", "-q", "-B", branch, "origin/main")
		if err := os.WriteFile(filepath.Join(work, strings.ReplaceAll(branch, "/", "-")), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		git(t, work, "add", "-A")
		git(t, work, "commit", "-q", "-m", branch)
		git(t, work, "push", "-q", "origin", branch)
	}
	settings := Settings{Provider: Gitea, Repository: server.URL + "/" + gitea.User + "/fleet.git", API: server.URL, Token: server.Token}
	client, err := New(settings)
	must(t, err)
	green := Request{Branch: "gitover/orders/CommitGreen", Into: "main", Title: "orders: add 17", Body: "Why."}
	first, err := client.Open(t.Context(), green)
	must(t, err)
	if !first.Open || first.Merged || !strings.HasPrefix(first.URL, server.URL) {
		t.Errorf("opened: %+v", first)
	}
	again, err := client.Open(t.Context(), green)
	must(t, err)
	if again != first {
		t.Errorf("a second call made %+v beside %+v", again, first)
	}
	cutover, err := client.Open(t.Context(), Request{Branch: "gitover/orders/CommitCutover", Into: "main", Title: "orders: cut over"})
	must(t, err)
	if cutover.Number == first.Number {
		t.Errorf("another branch got the same pull request: %+v", cutover)
	}

	api := server.Client()
	pr, _, err := api.GetPullRequest(gitea.User, "fleet", first.Number)
	must(t, err)
	if pr.Title != green.Title || pr.Body != green.Body {
		t.Errorf("people read %q: %q", pr.Title, pr.Body)
	}
	server.Merge("fleet", first.Number)
	is(t, client, first.Number, State{Merged: true})
	closed := sdk.StateClosed
	_, _, err = api.EditPullRequest(gitea.User, "fleet", cutover.Number, sdk.EditPullRequestOption{State: &closed})
	must(t, err)
	is(t, client, cutover.Number, State{})
	reopened, err := client.Open(t.Context(), Request{Branch: "gitover/orders/CommitCutover", Into: "main", Title: "orders: cut over"})
	must(t, err)
	if !reopened.Open || reopened.Number == cutover.Number {
		t.Errorf("after a refusal: %+v", reopened)
	}

	for what, wrong := range map[string]func(*Settings){
		"a wrong token":      func(s *Settings) { s.Token = strings.Repeat("0", 40) },
		"another repository": func(s *Settings) { s.Repository = server.URL + "/team/none.git" },
	} {
		s := settings
		wrong(&s)
		other, err := New(s)
		must(t, err)
		if _, err := other.Open(t.Context(), green); !errors.Is(err, ErrDenied) || strings.Contains(err.Error(), s.Token) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// is fails unless a pull request is open, merged or neither.
func is(t *testing.T, client *Client, number int64, want State) {
	t.Helper()
	got, err := client.State(t.Context(), number)
	must(t, err)
	if got.Open != want.Open || got.Merged != want.Merged {
		t.Errorf("pull request %d is %+v", number, got)
	}
}

func git(t *testing.T, directory string, arguments ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Ada", "-c", "user.email=ada@example.org"}, arguments...)...)
	cmd.Dir = directory
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", arguments, err, output)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
