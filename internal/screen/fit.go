package screen

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// labelWidth of the column that says what a line is about.
const labelWidth = 10

// section is a part of the screen.
type section struct {
	label string
	lines []string
	// least lines that stay when there is little room.
	least int
	// rank says what is cut first: the lowest.
	rank int
	// items: each line is one of many, so the last one that stays says how many don't.
	items bool
	// gap: an empty line before it, if there is room.
	gap bool
	// whole lines have no label.
	whole bool
}

// fit sections to the height: empty lines go first, then lines of what matters least.
func (p pen) fit(all []section) []string {
	gaps, total := 0, 0
	for _, s := range all {
		total += len(s.lines)
		if s.gap && len(s.lines) > 0 {
			gaps++
		}
	}
	height := p.Height
	if height <= 0 {
		height = total + gaps
	}
	gaps = min(gaps, height-total)
	for total > height {
		s := leastImportant(all)
		if s == nil {
			break
		}
		p.shorten(s)
		total--
	}
	lines := make([]string, 0, height)
	for _, s := range all {
		if s.gap && len(s.lines) > 0 && gaps > 0 {
			lines, gaps = append(lines, ""), gaps-1
		}
		lines = append(lines, p.labeled(s)...)
	}
	if len(lines) > height {
		lines = lines[:height]
	}
	return lines
}

// leastImportant section that may still lose a line.
func leastImportant(all []section) *section {
	var least *section
	for i := range all {
		if s := &all[i]; len(s.lines) > s.least && (least == nil || s.rank < least.rank) {
			least = s
		}
	}
	return least
}

// shorten a section by a line; of a list, the last line that stays says how many are left out.
func (p pen) shorten(s *section) {
	n := len(s.lines) - 1
	left := s.lines[n]
	s.lines = s.lines[:n]
	if !s.items || n == 0 || strings.Contains(s.lines[n-1], moreMark) {
		return
	}
	more := 1
	if at := strings.LastIndex(left, moreMark); at >= 0 {
		_, _ = fmt.Sscanf(ansi.Strip(left[at+len(moreMark):]), "%d", &more)
		more++
	}
	s.lines[n-1] += fmt.Sprintf("%s%d more", moreMark, more)
}

// moreMark stands before the number of lines that were left out. It is no part of any other text.
const moreMark = "\x00+"

// labeled lines of a section, cut to the width.
func (p pen) labeled(s section) []string {
	lines := make([]string, len(s.lines))
	width := p.Width
	if !s.whole {
		width = max(0, width-labelWidth)
	}
	for i, line := range s.lines {
		if head, more, found := strings.Cut(line, moreMark); found {
			line = head + "  +" + more
			if width > 0 && ansi.StringWidth(line) > width {
				line = p.cut(head, width-len("  +"+more)) + "  +" + more
			}
		}
		line = p.cut(line, width)
		if !s.whole {
			label := ""
			if i == 0 {
				label = s.label
			}
			line = p.in(bold, p.pad(label, labelWidth)) + line
		}
		lines[i] = strings.TrimRight(line, " ")
	}
	return lines
}
