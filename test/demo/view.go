package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
)

// view shows what happens: lines that stay, and below them, on a terminal, a block that
// is drawn again. Without a terminal the block becomes a line now and then.
type view struct {
	plain bool
	start time.Time

	mu    sync.Mutex
	drawn int // lines of the block on the screen
	block string
	told  time.Time
}

// look is one moment.
type look struct {
	upgrade *v1alpha1.PgUpgrade
	proxy   *v1alpha1.PgProxy
	bench   testenv.Progress
	traffic *testenv.Traffic
	worst   time.Duration
}

const (
	bold, dim, green_, red, plainText = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[0m"
	plainInterval                     = 5 * time.Second
)

func newView(plain bool) *view { return &view{plain: plain, start: time.Now()} }

func (v *view) title(number int, text string) {
	v.print(fmt.Sprintf("\n%s", v.color(bold, fmt.Sprintf("%d. %s", number, text))))
}

// line that stays.
func (v *view) line(format string, args ...any) { v.print("   " + fmt.Sprintf(format, args...)) }

// detail stays too, but quietly.
func (v *view) detail(format string, args ...any) {
	v.print("   " + v.color(dim, fmt.Sprintf(format, args...)))
}

// commit with its diff.
func (v *view) commit(c fleet.Commit, diff string) {
	var b strings.Builder
	fmt.Fprintf(&b, "   %s", v.color(bold, fmt.Sprintf("commit %.12s  %s  (%s)", c.SHA, c.Subject, c.Author)))
	shown := 0
	for line := range strings.Lines(diff) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "+++ ") && line != "+++ /dev/null":
			fmt.Fprintf(&b, "\n      %s", v.color(dim, strings.TrimPrefix(line, "+++ b/")))
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
		case strings.HasPrefix(line, "+") && shown < 12:
			shown++
			fmt.Fprintf(&b, "\n      %s", v.color(green_, line))
		case strings.HasPrefix(line, "-") && shown < 12:
			shown++
			fmt.Fprintf(&b, "\n      %s", v.color(red, line))
		}
	}
	v.print(b.String())
}

func (v *view) color(code, text string) string {
	if v.plain {
		return text
	}
	return code + text + plainText
}

// show the moment.
func (v *view) show(l look) {
	v.mu.Lock()
	defer v.mu.Unlock()
	lines := l.lines(time.Since(v.start))
	if v.plain {
		if time.Since(v.told) >= plainInterval {
			v.told = time.Now()
			fmt.Println("   | " + strings.Join(lines, " | "))
		}
		return
	}
	v.erase()
	v.block = strings.Join(lines, "\n") + "\n"
	v.draw()
}

func (v *view) print(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.erase()
	fmt.Println(text)
	v.draw()
}

// close leaves the lines and takes the block away.
func (v *view) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.erase()
	v.block = ""
}

func (v *view) erase() {
	if v.drawn > 0 {
		fmt.Fprintf(os.Stdout, "\x1b[%dA\x1b[J", v.drawn)
		v.drawn = 0
	}
}

func (v *view) draw() {
	if v.block != "" {
		fmt.Print(v.block)
		v.drawn = strings.Count(v.block, "\n")
	}
}

func (l look) lines(elapsed time.Duration) []string {
	u, p := l.upgrade.Status, l.proxy.Status
	transactions, failed, cut := l.traffic.Count()
	step := u.Workflow + "/" + u.Step
	if u.Workflow == "" {
		step = "nothing to do"
	}
	lines := []string{
		fmt.Sprintf("%s  %s  active %s, Git says %s", clock(elapsed), step, p.Active, l.proxy.Spec.Target),
		fmt.Sprintf("clients  pgbench %.0f/s, mean %.1f ms; ledger %d transactions, worst of 10 s %.0f ms; errors %d",
			l.bench.Rate, l.bench.Latency, transactions, l.worst.Seconds()*1000, failed+cut+l.bench.Failed),
	}
	if c := u.Copy; c != nil && u.Step == "CopyData" {
		lines = append(lines, fmt.Sprintf("copy  %s of %s, %d of %d tables, %s/s%s", size(c.BytesCopied), size(c.BytesTotal), c.TablesCopied, c.TablesTotal, size(c.BytesPerSecond), eta(c)))
	}
	if u.Lag != nil && u.Workflow != "" {
		lines = append(lines, "lag  "+size(u.Lag.Bytes))
	}
	return lines
}

func eta(c *v1alpha1.CopyStatus) string {
	if c.ETA == nil {
		return ""
	}
	return fmt.Sprintf(", done in about %.0f s", max(0, time.Until(c.ETA.Time).Seconds()))
}

func clock(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

func size(bytes int64) string {
	units := []string{"B", "KiB", "MiB", "GiB"}
	value, unit := float64(bytes), 0
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.*f %s", min(unit, 1), value, units[unit])
}

// parts of a switch, longest first.
func parts(milliseconds map[string]float64) string {
	names := []string{}
	for name := range milliseconds {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if milliseconds[a] != milliseconds[b] {
			return int(1000 * (milliseconds[b] - milliseconds[a]))
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %.1f", name, milliseconds[name])
	}
	return strings.Join(names, ", ")
}
