package pace

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// TestServersThatDontAnswerLeaveWorkersToOthers, and one that answers again is looked at like any other.
func TestServersThatDontAnswerLeaveWorkersToOthers(t *testing.T) {
	clock := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	now := func() time.Time { return clock }
	lane := SlowLane{Limit: 2}
	look := func(name string) func() {
		t.Helper()
		leave, ok := lane.Enter(types.NamespacedName{Name: name}, false, now)
		if !ok {
			t.Fatalf("%s is not looked at", name)
		}
		return leave
	}
	dead := []string{"a", "b", "c", "d"}
	var first []func()
	for _, name := range dead {
		first = append(first, look(name)) // nobody knows yet
	}
	clock = clock.Add(10 * time.Second)
	for _, leave := range first {
		leave()
	}
	a, b := look("a"), look("b")
	if _, ok := lane.Enter(types.NamespacedName{Name: "c"}, false, now); ok {
		t.Error("a third one is looked at though two may be slow at once")
	}
	look("well")() // others don't wait for them
	a()            // within no time: a answers again
	c := look("c")
	look("a")()
	if _, ok := lane.Enter(types.NamespacedName{Name: "d"}, false, now); ok {
		t.Error("d is looked at beside b and c")
	}
	if leave, ok := lane.Enter(types.NamespacedName{Name: "d"}, true, now); !ok {
		t.Error("a switch waits for servers that don't answer")
	} else {
		leave()
	}
	b()
	c()
	look("d")()
	if lane.in != 0 {
		t.Errorf("%d are said to be looked at", lane.in)
	}
}
