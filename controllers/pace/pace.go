package pace

import (
	"sync"
	"time"
)

const (
	// spareTime is how many times longer than the look its result is used: all looks at the databases of a server
	// together then take a hundredth of one core.
	spareTime = 100
	// longestPace between two looks, however long a look takes: DDL must be noticed in time. Each
	// database of a server makes it longer.
	longestPace, paceOfEach = time.Minute, 4 * time.Second
	// troublePace is how long a problem is remembered: people wait for the result of their fix.
	troublePace = 10 * time.Second
)

// Memory remembers what expensive looks found, and looks again only after some multiple of the time that the look took.
// The zero value is ready. A switch never goes by what is remembered here.
type Memory struct {
	mu   sync.Mutex
	last map[string]paced
}

type paced struct {
	found string
	until time.Time
}

// Look returns what look finds, or what it found a short while ago. many is the number of databases whose looks
// share the time. Errors are not remembered.
func (p *Memory) Look(key string, many int, now func() time.Time, look func() (string, error)) (string, error) {
	begun, longest := now(), max(longestPace, time.Duration(many)*paceOfEach)
	p.mu.Lock()
	known, ok := p.last[key]
	p.mu.Unlock()
	// more than the longest is left only if the clock was set back
	if left := known.until.Sub(begun); ok && left > 0 && left <= longest {
		return known.found, nil
	}
	found, err := look()
	if err != nil {
		return "", err
	}
	ended := now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		p.last = map[string]paced{}
	}
	pace := min(spareTime*time.Duration(many)*ended.Sub(begun), longest)
	if found != "" {
		pace = min(pace, troublePace)
	}
	p.last[key] = paced{found, ended.Add(pace)}
	return found, nil
}
