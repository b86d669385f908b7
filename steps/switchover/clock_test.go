package switchover_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

// TestAHoldGoesByNoClockThatCanBeSet: an agent's container starts again in a hold, and what it
// finds of the one before it is no time of day, so that its node's clock may have been set.
func TestAHoldGoesByNoClockThatCanBeSet(t *testing.T) {
	s := newStage(t, 15, 17)
	s.limits = crashLimits
	p := s.poolers[0]
	s.poolers[1].StopAgent() // which would decide as well
	s.poolers[1].Kill()
	s.poolers = s.poolers[:1]
	holds := s.watchHolds()
	s.awaitGuard()
	in := s.input()
	wake, ended := s.sleepAt(in, switchover.PointReady)
	act := crashLimits.Hold - crashLimits.Margin
	eventually(t, "the hold is about to end", func() bool { return holds.lasting() > act*3/4 })
	p.StopAgent()
	p.remembersNoTimeOfDay()
	p.StartAgent()
	eventually(t, "the agent decides", func() bool { return s.decision(in) != "open" })
	holds.awaitNone()
	worst := holds.take()
	if worst < act*9/10 { // the agent counts from before it pauses, and the restart was after three quarters
		t.Errorf("the restart ended the hold after %v instead of %v", worst, act)
	}
	if worst > crashLimits.Hold {
		t.Errorf("the restart prolonged the hold to %v", worst)
	}
	t.Logf("held for %v", worst.Round(time.Millisecond))
	close(wake)
	s.ended(in, s.end(in, <-ended))
	s.oneSideOpen()
	s.leads(p)
	holds.stop()
}

// decision that stands in the old side's register.
func (s *stage) decision(in switchover.Input) string {
	return s.servers[in.From.Instance].Query("gitover", fmt.Sprintf("SELECT state FROM gitover.switches WHERE id = '%s'", in.ID))
}

var timeOfDay = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d`)

// remembersNoTimeOfDay: neither words nor numbers of what the agent left for its successor are
// near to what the clock says now.
func (p *pooler) remembersNoTimeOfDay() {
	t := p.stage.t
	t.Helper()
	content, err := os.ReadFile(p.Dir + "/agent.json")
	must(t, err)
	if found := timeOfDay.FindString(string(content)); found != "" {
		t.Errorf("the agent remembers a time of day: %s", found)
	}
	for _, text := range regexp.MustCompile(`\d{10,}`).FindAllString(string(content), -1) {
		n, err := strconv.ParseInt(text, 10, 64)
		must(t, err)
		for unit, then := range map[string]time.Time{"s": time.Unix(n, 0), "ms": time.UnixMilli(n), "µs": time.UnixMicro(n), "ns": time.Unix(0, n)} {
			if time.Since(then).Abs() < 24*time.Hour {
				t.Errorf("the agent remembers a time of day: %s %s", text, unit)
			}
		}
	}
	if !strings.Contains(string(content), "sinceUptime") {
		t.Errorf("the agent doesn't remember since when it holds: %s", content)
	}
}

// A server's clock was an hour ahead when it was left, and was set right before it is led to again.
func TestAClockThatWasSetBackDoesNotKeepASwitchFromBeingFinished(t *testing.T) {
	pg.Long(t)
	s := newStage(t, 15, 17)
	for range 2 {
		s.awaitGuard()
		in := s.input()
		_, err := switchover.Switch(t.Context(), in)
		must(t, err)
		s.switched(in)
	}
	s.awaitGuard()
	in := s.input()
	s.servers[in.To.Instance].Exec("gitover", "UPDATE gitover.switches SET opened_at = opened_at + '1 hour', decided_at = decided_at + '1 hour'")
	_, err := switchover.Switch(t.Context(), in)
	must(t, err)
	s.switched(in)
	s.oneSideOpen()
	s.awaitGuard()
}
