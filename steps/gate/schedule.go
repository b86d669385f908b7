package gate

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/gitover/gitover/api/v1alpha1"
)

// schedule is the times at which something begins again and again.
type schedule struct {
	wall     cron.Schedule
	zone     *time.Location
	duration time.Duration
}

// parse a recurrence. The error says what to correct.
func parse(r v1alpha1.Recurrence) (schedule, error) {
	zone, err := zoneOf(r.TimeZone)
	if err != nil {
		return schedule{}, err
	}
	wall, err := cron.ParseStandard(r.Schedule)
	if err != nil {
		return schedule{}, fmt.Errorf("schedule %q can't be read (%w); it has five fields, minute, hour, day, month and weekday, as in %q", r.Schedule, err, "0 2 * * 6")
	}
	spec, fixed := wall.(*cron.SpecSchedule)
	if !fixed || spec.Location != time.Local {
		return schedule{}, fmt.Errorf("schedule %q has to name fixed times, and timeZone the time zone", r.Schedule)
	}
	spec.Location = time.UTC // walls are written as if they were in UTC
	if wall.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return schedule{}, fmt.Errorf("schedule %q names a time that never comes", r.Schedule)
	}
	if r.Duration == nil || r.Duration.Duration < time.Minute {
		return schedule{}, fmt.Errorf("schedule %q needs a duration of a minute or more", r.Schedule)
	}
	return schedule{wall: wall, zone: zone, duration: r.Duration.Duration}, nil
}

// zoneOf a name of the IANA database; UTC if it is empty.
func zoneOf(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("timeZone %q is not in the IANA database; write e.g. Europe/Berlin", name)
	}
	return zone, nil
}

// shift is more than any change of a zone's clocks.
const shift = 3 * time.Hour

// after is the first time of the schedule that is later than t; zero if none comes within five years.
func (s schedule) after(t time.Time) time.Time {
	from := wallOf(t.In(s.zone)).Add(-shift)
	for {
		wall := s.wall.Next(from)
		if wall.IsZero() {
			return time.Time{}
		}
		if begin := instant(wall, s.zone); begin.After(t) {
			return begin
		}
		from = wall
	}
}

// lasting is when what lasts at t ends, by the latest of its beginnings; zero if nothing does.
func (s schedule) lasting(t time.Time) time.Time {
	// looks back further and further, so that neither a dense schedule nor a long duration takes many steps
	for back := min(time.Hour, s.duration); ; back = min(2*back, s.duration) {
		var last time.Time
		for begin := s.after(t.Add(-back)); !begin.IsZero() && !begin.After(t); begin = s.after(begin) {
			last = begin
		}
		if !last.IsZero() {
			return last.Add(s.duration)
		}
		if back == s.duration {
			return time.Time{}
		}
	}
}

// wallOf is what clocks show at t, written as if it were in UTC.
func wallOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant at which clocks of a zone show a time: the first of two, and the moment of the change for one that is skipped.
func instant(wall time.Time, zone *time.Location) time.Time {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	start, end := t.ZoneBounds()
	switch shown := wallOf(t); {
	case shown.After(wall):
		return start
	case shown.Before(wall):
		return end
	case start.IsZero():
		return t
	}
	_, now := t.Zone()
	_, before := start.Add(-time.Second).Zone()
	if first := t.Add(time.Duration(now-before) * time.Second); first.Before(start) && wallOf(first.In(zone)).Equal(wall) {
		return first
	}
	return t
}
