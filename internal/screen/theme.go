package screen

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"k8s.io/apimachinery/pkg/util/duration"
)

// Options of what is drawn.
type Options struct {
	// Now is what durations end at.
	Now time.Time
	// Width is how many columns there are, Height how many lines; 0 is no bound.
	Width, Height int
	// Color, and glyphs beyond ASCII.
	Color, Unicode bool
	// Lags that were seen lately, oldest first.
	Lags []int64
	// Notice is the last line: what watching has met with.
	Notice string
}

// glyphs that bars, marks and trees are made of.
type glyphs struct {
	done, running, waiting, todo, warning, bad string
	full, empty, dash, arrow, more             string
	spark                                      []string
	branch, last, through, none                string
}

var (
	unicodeGlyphs = glyphs{"✓", "●", "◐", "○", "▲", "✗", "█", "░", "─", "→", "…", strings.Split("▁▂▃▄▅▆▇█", ""), "├─ ", "└─ ", "│  ", "   "}
	asciiGlyphs   = glyphs{"+", "*", "~", ".", "!", "x", "#", ".", "-", "->", "...", strings.Split("_.-=+*%#", ""), "|- ", "`- ", "|  ", "   "}
)

// pen draws by options.
type pen struct {
	Options
	glyphs
}

func penOf(o Options) pen {
	if o.Unicode {
		return pen{o, unicodeGlyphs}
	}
	return pen{o, asciiGlyphs}
}

// ink of a piece of text.
type ink int

const (
	plain ink = iota
	bold
	dim
	good
	warn
	bad
	busy
)

var styles = map[ink]ansi.Style{
	bold: ansi.NewStyle().Bold(),
	dim:  ansi.NewStyle().Faint(),
	good: ansi.NewStyle().ForegroundColor(ansi.Green),
	warn: ansi.NewStyle().ForegroundColor(ansi.Yellow),
	bad:  ansi.NewStyle().ForegroundColor(ansi.Red).Bold(),
	busy: ansi.NewStyle().ForegroundColor(ansi.Cyan),
}

// in an ink, if there are colors.
func (p pen) in(i ink, text string) string {
	if !p.Color || i == plain || text == "" {
		return text
	}
	return styles[i].Styled(text)
}

// clean text of an object: one line, without what would command a terminal, and without other than ASCII where that is asked for.
func (p pen) clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	text = strings.Join(strings.Fields(text), " ")
	if p.Unicode {
		return text
	}
	text = strings.NewReplacer("→", "->", "…", "...", "–", "-", "—", "-", "“", `"`, "”", `"`, "’", "'").Replace(text)
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '?'
		}
		return r
	}, text)
}

// short name of a commit.
func (p pen) short(sha string) string { return p.clean(fmt.Sprintf("%.8s", sha)) }

// cut a line to the width.
func (p pen) cut(line string, width int) string {
	if width <= 0 {
		return line
	}
	return ansi.Truncate(line, width, p.more)
}

// hyphen at which no line is broken.
const hyphen = "\u2011"

// wrap text into at most so many lines of a width; 0 is no bound. The last one says by its end that there is more.
func (p pen) wrap(text string, width, most int) []string {
	text = p.clean(text)
	if width <= 0 || text == "" {
		return []string{text}
	}
	// names aren't broken at their hyphens
	lines := strings.Split(ansi.Wrap(strings.ReplaceAll(text, "-", hyphen), width, ""), "\n")
	if most > 0 && len(lines) > most {
		rest := strings.Join(lines[most-1:], " ")
		lines = append(lines[:most-1], p.cut(rest, width))
	}
	for i := range lines {
		lines[i] = strings.ReplaceAll(strings.TrimRight(lines[i], " "), hyphen, "-")
	}
	return lines
}

// item of a list: one line, or all of it where there is no bound to the height.
func (p pen) item(line string) []string {
	if p.Height > 0 || p.Width <= labelWidth {
		return []string{line}
	}
	wrapped := ansi.Wrap(strings.ReplaceAll(line, "-", hyphen), p.Width-labelWidth, "")
	return strings.Split(strings.ReplaceAll(wrapped, hyphen, "-"), "\n")
}

// pad text to a width, or cut it.
func (p pen) pad(text string, width int) string {
	text = p.cut(text, width)
	return text + strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
}

// bar of a part between 0 and 1.
func (p pen) bar(part float64, width int) string {
	n := int(max(0, min(1, part))*float64(width) + 1e-9)
	return p.in(good, strings.Repeat(p.full, n)) + p.in(dim, strings.Repeat(p.empty, width-n))
}

// sparkline of the newest values, from nothing to the largest of them.
func (p pen) sparkline(values []int64, width int) string {
	values = values[max(0, len(values)-width):]
	var highest int64 = 1
	for _, v := range values {
		highest = max(highest, v)
	}
	var b strings.Builder
	for _, v := range values {
		b.WriteString(p.spark[int(max(0, v)*int64(len(p.spark)-1)/highest)])
	}
	return b.String()
}

// took is a duration as kubectl says it.
func took(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	return duration.HumanDuration(d)
}

// clock is the time of a day; with the day if it isn't today.
func (p pen) clock(t time.Time) string {
	t, today := t.UTC(), p.Now.UTC()
	if t.Year() == today.Year() && t.YearDay() == today.YearDay() {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}

// milliseconds of microseconds.
func milliseconds(us int64) string {
	if us < 950 {
		return fmt.Sprintf("%.1f", float64(us)/1000)
	}
	return fmt.Sprintf("%.0f", float64(us)/1000)
}
