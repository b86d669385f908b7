package gate

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // as the program has it

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
)

func TestWindowsInUTC(t *testing.T) {
	night := []v1alpha1.Window{{Start: "22:00", End: "04:00", Days: []v1alpha1.Weekday{"Sat"}}}
	day := []v1alpha1.Window{{Start: "09:00", End: "17:00"}}
	at := func(s string) time.Time {
		parsed, err := time.Parse("Mon 2006-01-02 15:04", s)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	stories := []struct {
		story   string
		windows []v1alpha1.Window
		at      string
		want    bool
	}{
		{"no window means any time", nil, "Wed 2026-11-18 03:00", true},
		{"inside a day's window", day, "Wed 2026-11-18 09:00", true},
		{"its end is outside", day, "Wed 2026-11-18 17:00", false},
		{"Saturday evening", night, "Sat 2026-11-21 23:00", true},
		{"the morning after Saturday", night, "Sun 2026-11-22 03:59", true},
		{"the morning of Saturday belongs to Friday", night, "Sat 2026-11-21 03:00", false},
		{"Sunday evening", night, "Sun 2026-11-22 23:00", false},
	}
	for _, s := range stories {
		t.Run(s.story, func(t *testing.T) {
			if got := InWindow(s.windows, at(s.at)); got != s.want {
				t.Fatalf("InWindow(%s) = %v, want %v", s.at, got, s.want)
			}
		})
	}
}

// FuzzWindow holds InWindow against its definition: the time since some day's start is
// shorter than the window is long.
func FuzzWindow(f *testing.F) {
	f.Add(uint16(22*60), uint16(4*60), uint8(0b0100000), int64(1_700_000_000))
	f.Add(uint16(0), uint16(0), uint8(0), int64(0))
	f.Add(uint16(9*60), uint16(17*60), uint8(0b0011111), int64(1_700_006_400))
	weekdays := []v1alpha1.Weekday{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
	f.Fuzz(func(t *testing.T, start, end uint16, days uint8, unix int64) {
		start, end = start%1440, end%1440
		now := time.Unix(unix%(1<<33), 0).UTC()
		clock := func(minute uint16) string {
			return time.Date(2000, 1, 1, 0, int(minute), 0, 0, time.UTC).Format("15:04")
		}
		w := v1alpha1.Window{Start: clock(start), End: clock(end)}
		for i, day := range weekdays {
			if days>>i&1 == 1 {
				w.Days = append(w.Days, day)
			}
		}
		length := time.Duration(end-start) * time.Minute
		if end <= start {
			length = time.Duration(1440+int(end)-int(start)) * time.Minute
		}
		want := false
		for back := range 2 {
			midnight := time.Date(now.Year(), now.Month(), now.Day()-back, 0, 0, 0, 0, time.UTC)
			since := now.Sub(midnight.Add(time.Duration(start) * time.Minute))
			want = want || (window{days: w.Days}).on(midnight.Weekday()) && since >= 0 && since < length
		}
		if got := InWindow([]v1alpha1.Window{w}, now); got != want {
			t.Fatalf("%s in %s: %t", now.Format("Mon 15:04:05"), Text([]v1alpha1.Window{w}), got)
		}
	})
}

func recurrence(schedule, zone string, duration time.Duration) v1alpha1.Recurrence {
	return v1alpha1.Recurrence{Schedule: schedule, TimeZone: zone, Duration: &metav1.Duration{Duration: duration}}
}

func when(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// Clocks in Berlin went from 02:00 to 03:00 on 29 March 2026, and went from 03:00 to 02:00 on 25 October 2026.
func TestAScheduleGoesByClocksOnTheWall(t *testing.T) {
	night := recurrence("30 2 * * *", "Europe/Berlin", 2*time.Hour)
	stories := []struct {
		story, at string
		when      v1alpha1.Recurrence
		open      bool
	}{
		{"in winter it is an hour later in UTC", "2026-01-10T01:30:00Z", night, true},
		{"and not before", "2026-01-10T01:29:59Z", night, false},
		{"in summer two", "2026-07-10T00:30:00Z", night, true},
		{"and lasts as long", "2026-07-10T02:29:59Z", night, true},
		{"and no longer", "2026-07-10T02:30:00Z", night, false},
		{"a time that is skipped begins when clocks are changed", "2026-03-29T01:00:00Z", night, true},
		{"and not before that", "2026-03-29T00:59:59Z", night, false},
		{"and lasts as long as on any day", "2026-03-29T02:59:59Z", night, true},
		{"and no longer than on any day", "2026-03-29T03:00:00Z", night, false},
		{"a time that comes twice begins the first time", "2026-10-25T00:30:00Z", night, true},
		{"and not before the first time", "2026-10-25T00:29:59Z", night, false},
		{"and lasts through the change of clocks", "2026-10-25T02:29:59Z", night, true},
		{"and doesn't begin a second time", "2026-10-25T02:30:00Z", night, false},
		{"in the southern hemisphere clocks are changed at other times", "2026-04-04T15:30:00Z", recurrence("30 2 * * *", "Australia/Sydney", time.Hour), true},
		{"a zone with half an hour", "2026-06-01T20:30:00Z", recurrence("0 2 * * *", "Asia/Kolkata", time.Hour), true},
		{"by weekday", "2026-11-28T02:00:00Z", recurrence("0 2 * * SAT", "", time.Hour), true},
		{"on another day", "2026-11-27T02:00:00Z", recurrence("0 2 * * SAT", "", time.Hour), false},
		{"longer than the time to the next one", "2026-11-27T01:59:00Z", recurrence("0 2 * * *", "", 36*time.Hour), true},
		{"every minute, for a year", "2026-11-27T01:59:00Z", recurrence("* * * * *", "Europe/Berlin", 8784*time.Hour), true},
		{"once in four years", "2026-11-27T01:59:00Z", recurrence("0 0 29 2 *", "Europe/Berlin", time.Hour), false},
	}
	for _, s := range stories {
		if problems := Problems(v1alpha1.PgUpgradeSpec{Cutover: v1alpha1.CutoverSpec{Windows: []v1alpha1.Window{{Recurrence: s.when}}}}); len(problems) > 0 {
			t.Fatalf("%s: %+v", s.story, problems)
		}
		if got := InWindow([]v1alpha1.Window{{Recurrence: s.when}}, when(t, s.at)); got != s.open {
			t.Errorf("%s: at %s it is open: %t", s.story, s.at, got)
		}
	}
}

func TestADailyWindowGoesByItsTimeZone(t *testing.T) {
	windows := []v1alpha1.Window{{Start: "22:00", End: "04:00", Days: []v1alpha1.Weekday{"Sat"}, Recurrence: v1alpha1.Recurrence{TimeZone: "America/New_York"}}}
	for at, open := range map[string]bool{
		"2026-11-22T02:59:59Z": false, "2026-11-22T03:00:00Z": true, "2026-11-22T08:59:59Z": true, "2026-11-22T09:00:00Z": false,
		"2026-07-05T02:00:00Z": true, "2026-07-05T08:00:00Z": false,
	} {
		if got := InWindow(windows, when(t, at)); got != open {
			t.Errorf("at %s it is open: %t", at, got)
		}
	}
	if next := NextOpening(windows, when(t, "2026-11-18T00:00:00Z")); !next.Equal(when(t, "2026-11-22T03:00:00Z")) {
		t.Errorf("it opens next at %s", next.UTC())
	}
	if text := Text(windows); text != "Sat 22:00–04:00 America/New_York" {
		t.Error(text)
	}
}

func TestFreezesThatFollowEachOtherAreToldAsOne(t *testing.T) {
	from, until := metav1.NewTime(when(t, "2026-12-20T00:00:00Z")), metav1.NewTime(when(t, "2027-01-03T00:00:00Z"))
	freezes := []v1alpha1.Freeze{
		{Reason: "year-end closing", From: &from, Until: &until},
		{Reason: "Sundays", Recurrence: recurrence("0 0 * * SUN", "", 24*time.Hour)},
	}
	for at, want := range map[string]string{
		"2026-12-19T23:59:59Z": "", // a Saturday
		"2026-12-20T00:00:00Z": "frozen until 2027-01-04 00:00:00 UTC: year-end closing",
		"2027-01-03T10:00:00Z": "frozen until 2027-01-04 00:00:00 UTC: Sundays",
		"2027-01-04T00:00:00Z": "",
	} {
		got := ""
		if frozen := Frozen(freezes, when(t, at)); frozen != nil {
			got = frozen.String()
		}
		if got != want {
			t.Errorf("at %s: %q, want %q", at, got, want)
		}
	}
}

func TestWhatCantBeUnderstoodIsNamedAndOpensNothing(t *testing.T) {
	from, until := metav1.NewTime(when(t, "2026-12-20T00:00:00Z")), metav1.NewTime(when(t, "2026-12-19T00:00:00Z"))
	for words, w := range map[string]v1alpha1.Window{
		`timeZone "Europe/Berlni" is not in the IANA database`:      {Recurrence: recurrence("0 2 * * *", "Europe/Berlni", time.Hour)},
		`timeZone "Local" is not in the IANA database`:              {Start: "01:00", End: "02:00", Recurrence: v1alpha1.Recurrence{TimeZone: "Local"}},
		`schedule "61 2 * * *" can't be read`:                       {Recurrence: recurrence("61 2 * * *", "", time.Hour)},
		`schedule "0 2 * *" can't be read`:                          {Recurrence: recurrence("0 2 * *", "", time.Hour)},
		`schedule "0 0 30 2 *" names a time that never comes`:       {Recurrence: recurrence("0 0 30 2 *", "", time.Hour)},
		`schedule "@every 5m" has to name fixed times`:              {Recurrence: recurrence("@every 5m", "", time.Hour)},
		`schedule "CRON_TZ=Asia/Tokyo 0 2 * * *" has to name fixed`: {Recurrence: recurrence("CRON_TZ=Asia/Tokyo 0 2 * * *", "", time.Hour)},
		`schedule "0 2 * * *" needs a duration of a minute or more`: {Recurrence: v1alpha1.Recurrence{Schedule: "0 2 * * *"}},
		`"" is no time of a day`:                                    {},
	} {
		spec := v1alpha1.PgUpgradeSpec{Cutover: v1alpha1.CutoverSpec{Windows: []v1alpha1.Window{w}}}
		problems := Problems(spec)
		if len(problems) != 1 || problems[0].Field != "spec.cutover.windows[0]" || !strings.Contains(problems[0].Why, words) {
			t.Errorf("%s: %+v", words, problems)
		}
		if InWindow(spec.Cutover.Windows, from.Time) {
			t.Errorf("%s: open", words)
		}
	}
	problems := Problems(v1alpha1.PgUpgradeSpec{Freezes: []v1alpha1.Freeze{{Reason: "no time"}, {Reason: "backwards", From: &from, Until: &until}}})
	if len(problems) != 2 || problems[1].Field != "spec.freezes[1]" {
		t.Errorf("%+v", problems)
	}
}
