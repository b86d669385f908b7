package fleet

import (
	"context"
	"os/exec"
	"strings"
	"testing"
)

func bare(t *testing.T) Remote {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("git", "init", "--quiet", "--bare", "--initial-branch", Branch, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return Remote{URL: dir}
}

func TestATeamMergesAndReverts(t *testing.T) {
	ctx, remote := context.Background(), bare(t)
	ada, err := Clone(ctx, remote, t.TempDir(), Maintainer)
	if err != nil {
		t.Fatal(err)
	}
	must(t)(ada.Commit(ctx, "Begin", Write("apps/orders/upgrade.yaml", "version: \"15\"\n")))
	merge := must(t)(ada.Merge(ctx, "postgres-17", "Upgrade orders to PostgreSQL 17", Replace("apps/orders/upgrade.yaml", `"15"`, `"17"`)))

	grace, err := Clone(ctx, remote, t.TempDir(), Person{"Grace", "grace@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	must(t)(grace.Commit(ctx, "Something else", Write("other", "x\n")))
	must(t)(ada.Revert(ctx, merge)) // on top of Grace's

	log, err := ada.Log(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	subjects := []string{}
	for _, c := range log {
		subjects = append(subjects, c.Subject)
	}
	want := `Revert "Merge pull request from postgres-17"|Something else|Merge pull request from postgres-17|Upgrade orders to PostgreSQL 17|Begin`
	if got := strings.Join(subjects, "|"); got != want {
		t.Errorf("log is %s\nwant %s", got, want)
	}
	if files, err := ada.Files(ctx, merge); err != nil || len(files) != 1 || files[0] != "apps/orders/upgrade.yaml" {
		t.Errorf("the merge touched %v (%v)", files, err)
	}
}

func TestHistoryIsRewritten(t *testing.T) {
	ctx, remote := context.Background(), bare(t)
	ada, err := Clone(ctx, remote, t.TempDir(), Maintainer)
	if err != nil {
		t.Fatal(err)
	}
	first := must(t)(ada.Commit(ctx, "Begin", Write("f", "one\n")))
	must(t)(ada.Commit(ctx, "Go on\n\nKey: value", Write("f", "two\n")))
	if err := ada.Rewrite(ctx); err != nil {
		t.Fatal(err)
	}
	log, err := ada.Log(ctx, "")
	if err != nil || len(log) != 2 || log[1].SHA == first || log[0].Trailers["Key"] != "value" {
		t.Errorf("after %s the log is %+v (%v)", first, log, err)
	}
}

func TestAnAmbiguousEditIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := All(Write("f", "a a"), Replace("f", "a", "b"))(dir); err == nil {
		t.Error("replaced one of two")
	}
}

func must(t *testing.T) func(string, error) string {
	return func(sha string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return sha
	}
}

func TestATeamSignsItsCommits(t *testing.T) {
	ctx, remote := context.Background(), bare(t)
	ada, err := Clone(ctx, remote, t.TempDir(), Maintainer)
	if err != nil {
		t.Fatal(err)
	}
	unsigned := must(t)(ada.Commit(ctx, "Begin", Write("f", "one\n")))
	key, err := NewSigningKey(ctx, t.TempDir(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewSigningKey(ctx, t.TempDir(), "other")
	if err != nil {
		t.Fatal(err)
	}
	if err := ada.SignWith(ctx, key); err != nil {
		t.Fatal(err)
	}
	merge := must(t)(ada.Merge(ctx, "change", "Change it", Write("f", "two\n")))
	for _, sha := range []string{merge, merge + "^2", must(t)(ada.Revert(ctx, merge))} {
		if err := ada.Verify(ctx, sha, other, key); err != nil {
			t.Error(err)
		}
	}
	if ada.Verify(ctx, unsigned, key) == nil || ada.Verify(ctx, merge, other) == nil {
		t.Error("a commit verifies that the key didn't sign")
	}
}
