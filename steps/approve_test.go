package steps

import (
	"testing"
	"time"

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
			if got := inWindow(s.windows, at(s.at)); got != s.want {
				t.Fatalf("inWindow(%s) = %v, want %v", s.at, got, s.want)
			}
		})
	}
}
