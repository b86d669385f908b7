package proxy_test

import (
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/proxy"
)

// TestAClockThatIsSetNeitherEndsNorProlongsAHold: while the agent's container starts again
// in a hold, its node's clock is set by an hour.
func TestAClockThatIsSetNeitherEndsNorProlongsAHold(t *testing.T) {
	s := newStage(t, 15, 17)
	s.limits = crashLimits
	p := s.poolers[0]
	s.poolers[1].stopAgent() // which would decide as well
	s.poolers[1].Kill()
	s.poolers = s.poolers[:1]
	holds := s.watchHolds()
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		s.awaitGuard()
		holds.take()
		in := s.input()
		wake, ended := s.sleepAt(in, proxy.PointReady)
		act := crashLimits.Hold - crashLimits.Margin
		eventually(t, "the hold is about to end", func() bool { return holds.lasting() > act*3/4 })
		p.stopAgent()
		p.setClock(jump)
		p.startAgent()
		eventually(t, "the agent decides", func() bool { return s.decision(in) != "open" })
		holds.awaitNone()
		worst := holds.take()
		if worst < act {
			t.Errorf("a clock set by %v ended the hold after %v instead of %v", jump, worst, act)
		}
		if worst > crashLimits.Hold {
			t.Errorf("a clock set by %v prolonged the hold to %v", jump, worst)
		}
		t.Logf("clock set by %v: held for %v", jump, worst.Round(time.Millisecond))
		close(wake)
		s.ended(in, s.end(in, <-ended))
		s.oneSideOpen()
		s.leads(p)
	}
	holds.stop()
}

// decision that stands in the old side's register.
func (s *stage) decision(in proxy.Input) string {
	return s.servers[in.From.Instance].Query("gitover", fmt.Sprintf("SELECT state FROM gitover.switches WHERE id = '%s'", in.ID))
}

var timeOfDay = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)`)

// setClock lets each time of day that the agent remembers be off by jump, as after the
// node's clock was set by that much.
func (p *pooler) setClock(jump time.Duration) {
	t := p.stage.t
	t.Helper()
	file := p.Dir + "/agent.json"
	content, err := os.ReadFile(file)
	must(t, err)
	content = timeOfDay.ReplaceAllFunc(content, func(text []byte) []byte {
		then, err := time.Parse(time.RFC3339Nano, string(text))
		must(t, err)
		return []byte(then.Add(-jump).Format(time.RFC3339Nano))
	})
	must(t, os.WriteFile(file, content, 0o600))
}
