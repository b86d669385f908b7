package steps

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shared files, of steps that are one implementation.
var shared = map[string]string{
	CommitGreen: "commit.go", CommitCutover: "commit.go", CommitFinalize: "commit.go", CommitRemoveGreen: "commit.go", CommitRollback: "commit.go",
	AwaitSwitch: "await_switch.go", AwaitRollback: "await_switch.go",
	AwaitGreenGone: "await_gone.go", AwaitPruned: "await_gone.go",
	StopReplication: "stop_replication.go", StopReverse: "stop_replication.go",
}

var capital = regexp.MustCompile(`([a-z])([A-Z])`)

// fileOf a step: its name in snake case, unless it shares one.
func fileOf(step string) string {
	if file, ok := shared[step]; ok {
		return file
	}
	return strings.ToLower(capital.ReplaceAllString(step, "${1}_${2}")) + ".go"
}

// TestEachStepIsInTheFileOfItsName, so that who looks for one finds it: a function whose name ends with Done is there.
func TestEachStepIsInTheFileOfItsName(t *testing.T) {
	files := map[string]bool{}
	for _, rows := range Workflows {
		for _, step := range rows {
			files[fileOf(step.Name)] = true
		}
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		if !slices.ContainsFunc(parsed.Decls, func(d ast.Decl) bool {
			f, ok := d.(*ast.FuncDecl)
			return ok && strings.HasSuffix(f.Name.Name, "Done")
		}) {
			t.Errorf("%s judges no step", file)
		}
	}
}

// TestTheTableOfStepsSaysWhereEachIs, as docs/development.md has it.
func TestTheTableOfStepsSaysWhereEachIs(t *testing.T) {
	docs, err := os.ReadFile("../docs/development.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range Workflows {
		for _, step := range rows {
			if want := "`" + step.Name + "` | [" + fileOf(step.Name) + "](../steps/" + fileOf(step.Name) + ")"; !strings.Contains(string(docs), want) {
				t.Errorf("docs/development.md doesn't say %s", want)
			}
		}
	}
}
