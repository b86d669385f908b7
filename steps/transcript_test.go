package steps

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
)

var update = flag.Bool("update", false, "write testdata/*.transcript again")

// story drives the pure part of the workflow with a world that always does what a step
// wants, until something else happens.
type story struct {
	status v1alpha1.PgUpgradeStatus
	facts  Facts
	lines  []string
}

func (s *story) say(format string, args ...any) {
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

// until the workflow stands at step, or is idle when step is empty.
func (s *story) until(step string) {
	for range 100 {
		d := Next(s.status, s.facts)
		if d.Idle {
			s.say("  idle: %s: %s", d.Reason, d.Message)
			if facts := s.facts; facts.Wanted == facts.version(facts.Active) {
				s.status.HandledVersion, s.status.HandledRetry = facts.Wanted, facts.Retry
			}
			return
		}
		s.enter(d)
		if s.status.Step == step {
			return
		}
		next := Advance(s.status)
		if next.Outcome != "" {
			s.say("  ends: %s", next.Outcome)
			s.status.Workflow, s.status.Step = "", ""
			continue
		}
		s.status.Workflow, s.status.Step = next.Workflow, next.Step
		s.say("  %s/%s", s.status.Workflow, s.status.Step)
	}
	s.say("  goes round in circles")
}

func (s *story) enter(d Decision) {
	if d.Begin {
		s.status = v1alpha1.PgUpgradeStatus{From: d.From, To: d.To, HandledVersion: s.facts.Wanted, HandledRetry: s.facts.Retry}
	}
	if d.NewAttempt {
		s.status.HandledRetry = s.facts.Retry
	}
	if d.Workflow != s.status.Workflow || d.Step != s.status.Step {
		s.say("  %s/%s: %s", d.Workflow, d.Step, d.Message)
		if d.Workflow == Abort || d.Workflow == Rollback {
			s.status.HandledVersion = ""
		}
	}
	if d.Reason == v1alpha1.ReasonAnalysisFailed {
		s.status.Analysis = &v1alpha1.AnalysisStatus{Failure: &v1alpha1.AnalysisFailure{DecidedAt: &metav1.Time{}}}
	}
	s.status.Workflow, s.status.Step = d.Workflow, d.Step
}

func (s *story) git(what string, change func(*Facts)) {
	change(&s.facts)
	s.say("%s (wanted %s, target %s, active %s)", what, s.facts.Wanted, s.facts.Target, s.facts.Active)
}

func serve(instance string) func(*Facts) {
	return func(f *Facts) { f.Target, f.Active = instance, instance }
}

func want(version string) func(*Facts) { return func(f *Facts) { f.Wanted = version } }

// TestTranscripts holds whole upgrades against files that people can read and review.
func TestTranscripts(t *testing.T) {
	stories := map[string]func(*story){
		"upgrade": func(s *story) {
			s.git("a person merges the bump", want("17"))
			s.until(AwaitSwitch)
			s.git("the cutover commit is applied, traffic moves", serve("orders-17"))
			s.until("")
			s.until("")
		},
		"rollback_and_again": func(s *story) {
			s.git("a person merges the bump", want("17"))
			s.until(AwaitSwitch)
			s.git("traffic moves", serve("orders-17"))
			s.until(Soak)
			s.git("a person reverts the cutover commit", serve("orders-15"))
			s.until(AwaitDecision)
			s.git("a person reverts the revert", serve("orders-17"))
			s.until(Soak)
			s.git("a person reverts the cutover once more", serve("orders-15"))
			s.until(AwaitDecision)
			s.git("a person asks for a retry", func(f *Facts) { f.Retry = "1" })
			s.until(AwaitSwitch)
			s.git("traffic moves", serve("orders-17"))
			s.until("")
		},
		"abort": func(s *story) {
			s.git("a person merges the bump", want("17"))
			s.until(CopyData)
			s.git("a person reverts the bump", want("15"))
			s.until("")
			s.git("a person merges it again", want("17"))
			s.until(Approve)
			s.git("a person wants 18 instead", want("18"))
			s.until(CopyData)
		},
		"human_cuts_over_first": func(s *story) {
			s.git("a person merges the bump", want("17"))
			s.until(Approve)
			s.git("a person commits the target before Gitover does, traffic moves", serve("orders-17"))
			s.until(Soak)
			s.git("a person reverts that commit", serve("orders-15"))
			s.until(AwaitDecision)
			s.git("and the bump", want("15"))
			s.until("")
		},
		"version_reverted_in_soak": func(s *story) {
			s.git("a person merges the bump", want("17"))
			s.until(AwaitSwitch)
			s.git("traffic moves", serve("orders-17"))
			s.until(Soak)
			s.git("a person reverts the bump", want("15"))
			s.until(AwaitRollback)
			s.git("traffic returns", serve("orders-15"))
			s.until("")
		},
		"analysis_fails": func(s *story) {
			s.git("a person merges the bump", want("17"))
			s.until(AwaitSwitch)
			s.git("traffic moves", serve("orders-17"))
			s.until(Soak)
			s.git("a check fails as often as its threshold says", func(f *Facts) { f.AnalysisFailed, f.RollbackReady = true, true })
			s.until(AwaitRollback)
			s.git("Gitover's revert is applied, traffic returns", serve("orders-15"))
			s.until(AwaitDecision)
			s.git("a person reverts that commit", func(f *Facts) { serve("orders-17")(f); f.AnalysisFailed = false })
			s.until(Soak)
		},
		"switch_fails": func(s *story) {
			s.git("a person merges the bump", want("17"))
			s.until(AwaitSwitch)
			s.git("every attempt to switch fails", func(f *Facts) { f.Target, f.GaveUp = "orders-17", true })
			s.until(AwaitRollback)
			s.git("our own revert is applied", func(f *Facts) { f.Target, f.GaveUp = "orders-15", false })
			s.until(AwaitDecision)
		},
	}
	for name, tell := range stories {
		t.Run(name, func(t *testing.T) {
			s := &story{facts: Facts{Name: "orders", Wanted: "15", Active: "orders-15", Target: "orders-15"}}
			s.say("orders-15 serves")
			s.until("")
			tell(s)
			got := strings.Join(s.lines, "\n") + "\n"
			file := filepath.Join("testdata", name+".transcript")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Fatalf("%s differs (go test ./steps -run TestTranscripts -update writes it again):\n%s", file, got)
			}
		})
	}
}
