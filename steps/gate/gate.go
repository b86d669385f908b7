package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
)

// Problem is a window or a freeze that can't be understood.
type Problem struct {
	// Field of the spec, e.g. "spec.cutover.windows[0]".
	Field string
	// Why, and what to write instead.
	Why string
}

// Problems of an upgrade's windows and freezes; none if all can be understood.
func Problems(spec v1alpha1.PgUpgradeSpec) (problems []Problem) {
	note := func(err error, field string, i int) {
		if err != nil {
			problems = append(problems, Problem{Field: fmt.Sprintf("%s[%d]", field, i), Why: err.Error()})
		}
	}
	for i, w := range spec.Cutover.Windows {
		_, err := windowOf(w)
		note(err, "spec.cutover.windows", i)
	}
	for i, f := range spec.Freezes {
		_, err := freezeEnd(f, time.Unix(0, 0))
		note(err, "spec.freezes", i)
	}
	return problems
}

// InWindow says whether t lies in one of the windows; always when there's none.
func InWindow(windows []v1alpha1.Window, t time.Time) bool {
	return len(windows) == 0 || slices.ContainsFunc(windows, func(w v1alpha1.Window) bool {
		window, err := windowOf(w)
		return err == nil && window.open(t)
	})
}

// NextOpening of the windows after t; zero if none is known.
func NextOpening(windows []v1alpha1.Window, t time.Time) (next time.Time) {
	for _, w := range windows {
		window, err := windowOf(w)
		if err != nil {
			continue
		}
		if begin := window.begins.after(t); next.IsZero() || !begin.IsZero() && begin.Before(next) {
			next = begin
		}
	}
	return next
}

// window that was understood.
type window struct {
	begins schedule
	// daily: it ends by the clock on the wall, too
	daily      bool
	days       []v1alpha1.Weekday
	start, end int
}

// windowOf understands a window; the names of days are those of cron.
func windowOf(w v1alpha1.Window) (window, error) {
	if w.Schedule != "" {
		s, err := parse(w.Recurrence)
		return window{begins: s}, err
	}
	zone, err := zoneOf(w.TimeZone)
	if err != nil {
		return window{}, err
	}
	start, startErr := minutes(w.Start)
	end, endErr := minutes(w.End)
	if err := cmp.Or(startErr, endErr); err != nil {
		return window{}, err
	}
	begins, err := parse(v1alpha1.Recurrence{TimeZone: w.TimeZone, Duration: aDay,
		Schedule: fmt.Sprintf("%d %d * * %s", start%60, start/60, cmp.Or(joined(w.Days), "*"))})
	begins.zone = zone
	return window{begins: begins, daily: true, days: w.Days, start: start, end: end}, err
}

func (w window) open(t time.Time) bool {
	if !w.daily {
		return !w.begins.lasting(t).IsZero()
	}
	t = t.In(w.begins.zone)
	minute, today, yesterday := t.Hour()*60+t.Minute(), t.Weekday(), (t.Weekday()+6)%7
	if w.start < w.end {
		return minute >= w.start && minute < w.end && w.on(today)
	}
	// crosses midnight: the evening of a day, or the morning after one
	return minute >= w.start && w.on(today) || minute < w.end && w.on(yesterday)
}

func (w window) on(day time.Weekday) bool {
	return len(w.days) == 0 || slices.Contains(w.days, v1alpha1.Weekday(day.String()[:3]))
}

// Text of windows for people.
func Text(windows []v1alpha1.Window) string {
	texts := make([]string, 0, len(windows))
	for _, w := range windows {
		when := fmt.Sprintf("%s–%s", w.Start, w.End)
		switch {
		case w.Schedule != "" && w.Duration != nil:
			when = fmt.Sprintf("%q for %s", w.Schedule, Duration(w.Duration.Duration))
		case len(w.Days) > 0:
			when = joined(w.Days) + " " + when
		}
		texts = append(texts, when+" "+cmp.Or(w.TimeZone, "UTC"))
	}
	return strings.Join(texts, "; ")
}

// Duration as people write it, without its zeros.
func Duration(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func joined(days []v1alpha1.Weekday) string {
	names := make([]string, 0, len(days))
	for _, d := range days {
		names = append(names, string(d))
	}
	return strings.Join(names, ",")
}

// minutes since midnight.
func minutes(clock string) (int, error) {
	t, err := time.Parse("15:04", clock)
	if err != nil {
		return 0, fmt.Errorf("%q is no time of a day; write e.g. 02:30", clock)
	}
	return t.Hour()*60 + t.Minute(), nil
}
