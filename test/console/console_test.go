package console

import (
	"reflect"
	"testing"
)

func TestWhatPeopleTypeIsWhatAShellStarts(t *testing.T) {
	page := "Text.\n\n```console\n$ bin/gitover check --from 'a b' # say why\nits output\n# make cluster\n$ kubectl exec deploy/x -- /gitover status \\\n    orders\n$ cat >f <<'EOF'\nany $thing\nEOF\n```\n"
	var got [][]string
	for _, c := range Commands(t, "page", page) {
		got = append(got, append([]string{c.Program}, c.Args...))
	}
	want := [][]string{
		{"gitover", "check", "--from", "a b"}, {"make", "cluster"},
		{"kubectl", "exec", "deploy/x", "--", "gitover", "status", "orders"}, {"gitover", "status", "orders"}, {"cat"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
