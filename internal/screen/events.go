package screen

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// When an event was last seen.
func When(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.CreationTimestamp.Time
}

// Sort events by time, oldest first.
func Sort(events []corev1.Event) {
	slices.SortStableFunc(events, func(a, b corev1.Event) int { return When(&a).Compare(When(&b)) })
}

// Times that an event was seen.
func Times(e *corev1.Event) int32 {
	if e.Series != nil {
		return e.Series.Count
	}
	return max(1, e.Count)
}

// Events draws them, in their order. Head: with the columns' names.
func Events(events []corev1.Event, o Options, head bool) []string {
	p := penOf(o)
	rows := make([][]string, 0, len(events))
	for i := range events {
		e := &events[i]
		message := e.Message
		if n := Times(e); n > 1 {
			message += fmt.Sprintf(" (%d times)", n)
		}
		rows = append(rows, []string{p.clock(When(e)), e.Type, e.InvolvedObject.Kind + "/" + e.InvolvedObject.Name, e.Reason, message})
	}
	lines := p.table([]string{"TIME", "TYPE", "OBJECT", "REASON", "MESSAGE"}, rows)
	if !head {
		return lines[1:]
	}
	return lines
}
