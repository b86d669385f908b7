package main

import (
	"bufio"
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pty is a terminal of 80 columns and 24 lines, and what a program has drawn on it.
type pty struct {
	*testing.T
	master, slave *os.File

	mu    sync.Mutex
	lines []string // of the whole session; what scrolled away is still in it
	row   int
	raw   strings.Builder
}

func aTerminal(t *testing.T) *pty {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Skipf("no pseudo terminal here: %v", err)
		}
	}
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	must(err)
	must(unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	must(err)
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	must(err)
	must(unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}))
	p := &pty{T: t, master: master, slave: slave, lines: []string{""}}
	go p.read()
	t.Cleanup(func() { slave.Close(); master.Close() })
	return p
}

var sequence = regexp.MustCompile("\x1b\\[([?0-9;]*)([A-Za-z])")

// read what is drawn, as far as programs here command a terminal: up, to the begin of the line, and erase below.
func (p *pty) read() {
	in := bufio.NewReader(p.master)
	var text strings.Builder
	flush := func() {
		p.lines[p.row] += text.String()
		text.Reset()
	}
	for {
		r, _, err := in.ReadRune()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.raw.WriteRune(r)
		switch r {
		case '\r':
			flush()
			p.lines[p.row] += "\r"
		case '\n':
			flush()
			if p.row++; p.row == len(p.lines) {
				p.lines = append(p.lines, "")
			}
		case '\x1b':
			code := "\x1b"
			for !sequence.MatchString(code) {
				if r, _, err = in.ReadRune(); err != nil {
					break
				}
				code += string(r)
			}
			flush()
			p.obey(sequence.FindStringSubmatch(code))
		default:
			text.WriteRune(r)
		}
		if in.Buffered() == 0 {
			flush()
		}
		p.mu.Unlock()
	}
}

func (p *pty) obey(command []string) {
	if len(command) < 3 {
		return
	}
	switch command[2] {
	case "A":
		n, err := strconv.Atoi(command[1])
		if err != nil {
			n = 1
		}
		p.row -= n
	case "J":
		p.lines = p.lines[:p.row+1]
	case "K": // the rest of the line: what was drawn before is gone
		p.lines[p.row] = p.lines[p.row][strings.LastIndexByte(p.lines[p.row], '\r')+1:]
	}
}

// shown lines, from the top of the session to its end.
func (p *pty) shown() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	lines := make([]string, len(p.lines))
	for i, line := range p.lines {
		line = strings.TrimRight(line, "\r")
		lines[i] = line[strings.LastIndexByte(line, '\r')+1:]
	}
	return lines
}

func TestAPictureOnATerminalIsDrawnInItsPlace(t *testing.T) {
	p := aTerminal(t)
	t.Setenv("LANG", "en_US.UTF-8")
	t.Setenv("LC_ALL", "")
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm-256color")
	on := terminalOf(p.slave)
	if o := on.options(false); !o.Color || !o.Unicode || o.Width != 80 || o.Height != 24 {
		t.Fatalf("%+v", o)
	}
	t.Setenv("NO_COLOR", "1")
	t.Setenv("LC_ALL", "C")
	if o := on.options(false); o.Color || o.Unicode {
		t.Errorf("colors or more than ASCII, which is not wanted: %+v", o)
	}
	for _, picture := range [][]string{{"one", "two", "three"}, {"uno", "dos", "tres", "cuatro"}, {"un", "deux"}} {
		if err := on.paint(picture); err != nil {
			t.Fatal(err)
		}
	}
	on.leave()
	want := []string{"un", "deux", ""}
	for end := time.Now().Add(10 * time.Second); !slices.Equal(p.shown(), want); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q is shown, not %q", p.shown(), want)
		}
	}
}

func TestAPersonAtATerminalWatchesInPlace(t *testing.T) {
	who := aPerson(t)
	who.moment("copy", "orders")
	p := aTerminal(t)
	ctx, end := context.WithCancel(t.Context())
	over := make(chan error, 1)
	command := root()
	command.SetOut(p.slave)
	command.SetArgs([]string{"status", "orders", "-w"})
	go func() { over <- command.ExecuteContext(ctx) }()
	t.Cleanup(end)
	await := func(words string) []string {
		t.Helper()
		for until := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			lines := p.shown()
			if strings.Contains(strings.Join(lines, "\n"), words) {
				return lines
			}
			if time.Now().After(until) {
				t.Fatalf("%q never came:\n%s", words, strings.Join(lines, "\n"))
			}
		}
	}
	await("312.4 MiB of 773.1 MiB")
	who.changes("orders", says(metav1.ConditionFalse, "CopyData", "500.0 MiB of 773.1 MiB"))
	lines := await("500.0 MiB of 773.1 MiB")
	if len(lines) > 24 || strings.Count(strings.Join(lines, "\n"), "To do") != 1 {
		t.Errorf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	end()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	await("To do") // the last picture stays
}
