package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"github.com/gitover/gitover/internal/screen"
)

// terminal is where a command writes to: a person's, or a file, a pipe, a log.
type terminal struct {
	out io.Writer
	// fd of a real one.
	fd   int
	real bool
	// drawn lines that the next picture takes the place of.
	drawn int
}

func terminalOf(out io.Writer) *terminal {
	t := &terminal{out: out}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		t.fd, t.real = int(file.Fd()), true
	}
	return t
}

// size of the terminal, in columns and lines. Where there is none: the columns that COLUMNS says, or nothing.
func (t *terminal) size() (width, height int) {
	if t.real {
		if w, h, err := term.GetSize(t.fd); err == nil && w > 0 && h > 1 {
			return w, h
		}
		return 80, 24
	}
	if w, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && w > 0 {
		return w, 0
	}
	return 0, 0
}

// options to draw a picture by. Whole: all lines, whatever the height.
func (t *terminal) options(whole bool) screen.Options {
	width, height := t.size()
	o := screen.Options{Now: time.Now(), Width: width, Height: height, Unicode: speaksUTF8(), Color: t.real && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
	if whole {
		o.Height = 0
	}
	return o
}

// speaksUTF8 as the locale says. Where it says nothing, most terminals do.
func speaksUTF8() bool {
	for _, variable := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToUpper(os.Getenv(variable)); locale != "" {
			return strings.Contains(locale, "UTF-8") || strings.Contains(locale, "UTF8")
		}
	}
	return true
}

func (t *terminal) print(lines []string) error {
	_, err := fmt.Fprintln(t.out, strings.Join(lines, "\n"))
	return err
}

// paint a picture in the place of the one before it. No line of it may be longer than the terminal is wide.
func (t *terminal) paint(lines []string) error {
	var b strings.Builder
	if t.drawn > 0 {
		b.WriteString("\r")
		if t.drawn > 1 {
			b.WriteString(ansi.CursorUp(t.drawn - 1))
		}
	} else {
		b.WriteString(ansi.HideCursor)
	}
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + ansi.EraseLineRight)
	}
	b.WriteString(ansi.EraseScreenBelow)
	t.drawn = len(lines)
	_, err := io.WriteString(t.out, b.String())
	return err
}

// leave the last picture where it is.
func (t *terminal) leave() {
	if t.drawn > 0 {
		fmt.Fprint(t.out, "\r\n", ansi.ShowCursor)
		t.drawn = 0
	}
}
