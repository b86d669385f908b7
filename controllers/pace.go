package controllers

import (
	"sync"
	"time"
)

const (
	// spareTime is how much longer than a look its result counts: looks then take a hundredth of one core.
	spareTime = 100
	// longestPace between two looks, however long one takes: DDL must not go unseen for long.
	longestPace = time.Minute
)

// paces remembers what expensive looks found, and looks again only after some multiple of the time that the look took.
// The zero value is ready. A switch never goes by what is remembered here.
type paces struct {
	mu   sync.Mutex
	last map[string]paced
}

type paced struct {
	found string
	until time.Time
}

// look returns what look finds, or what it found a short while ago. Errors are not remembered.
func (p *paces) look(key string, now func() time.Time, look func() (string, error)) (string, error) {
	begun := now()
	p.mu.Lock()
	known, ok := p.last[key]
	p.mu.Unlock()
	// more than the longest is left only if the clock was set back
	if left := known.until.Sub(begun); ok && left > 0 && left <= longestPace {
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
	p.last[key] = paced{found, ended.Add(min(spareTime*ended.Sub(begun), longestPace))}
	return found, nil
}
