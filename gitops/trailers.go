package gitops

import "strings"

// Trailer is one `Key: value` line at the end of a commit message.
type Trailer struct{ Key, Value string }

// ParseTrailers reads the trailers of a commit message by the rules of
// `git interpret-trailers --parse --no-divider`: they are in the last paragraph, which isn't the
// first, and it consists of trailers only, or has one that Git itself writes
// and at least a quarter of trailers. Continuation lines are unfolded.
func ParseTrailers(message string) []Trailer {
	lines := strings.Split(strings.TrimRight(message, "\n"), "\n")
	start := trailerStart(lines)
	var trailers []Trailer
	inTrailer := false
	for _, line := range lines[start:] {
		if strings.HasPrefix(line, "#") {
			inTrailer = false
			continue
		}
		if line != "" && isSpace(line[0]) {
			if inTrailer {
				last := &trailers[len(trailers)-1]
				last.Value = strings.TrimRight(last.Value+" "+trim(line), " ")
			}
			continue
		}
		at := trailerSeparator(line)
		inTrailer = at > 0
		if inTrailer {
			trailers = append(trailers, Trailer{Key: trim(line[:at]), Value: trim(line[at+1:])})
		}
	}
	return trailers
}

// firstValues keeps the first value of each key.
func firstValues(trailers []Trailer) map[string]string {
	values := make(map[string]string, len(trailers))
	for _, trailer := range trailers {
		if _, ok := values[trailer.Key]; !ok {
			values[trailer.Key] = trailer.Value
		}
	}
	return values
}

// written by git itself: git commit --signoff, git cherry-pick -x
var gitTrailers = []string{"Signed-off-by: ", "(cherry picked from commit "}

// trailerStart is the index of the first line of the trailers, len(lines) if there are none.
func trailerStart(lines []string) int {
	title := 0
	for title < len(lines) && (strings.HasPrefix(lines[title], "#") || !isBlank(lines[title])) {
		title++
	}
	found, other, continuations := 0, 0, 0
	byGit, onlyBlank := false, true
	for i := len(lines) - 1; i >= title; i-- {
		line := lines[i]
		switch {
		case strings.HasPrefix(line, "#"):
			other, continuations = other+continuations, 0
		case isBlank(line):
			if onlyBlank {
				continue
			}
			other += continuations
			if byGit && found*3 >= other || found > 0 && other == 0 {
				return i + 1
			}
			return len(lines)
		default:
			onlyBlank = false
			generated := strings.HasPrefix(line, gitTrailers[0]) || strings.HasPrefix(line, gitTrailers[1])
			byGit = byGit || generated
			switch {
			case generated || !isSpace(line[0]) && trailerSeparator(line) > 0:
				found, continuations = found+1, 0
			case isSpace(line[0]):
				continuations++
			default:
				other, continuations = other+continuations+1, 0
			}
		}
	}
	return len(lines)
}

// trailerSeparator is the position of the colon of `Key: value` or `Key : value`, or -1.
func trailerSeparator(line string) int {
	space := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == ':':
			return i
		case !space && (c == '-' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'):
		case i > 0 && (c == ' ' || c == '\t'):
			space = true
		default:
			return -1
		}
	}
	return -1
}

// Git's isspace: ASCII only.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isBlank(line string) bool { return trim(line) == "" }

func trim(line string) string { return strings.Trim(line, " \t\r\n") }
