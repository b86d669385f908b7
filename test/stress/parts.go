package main

import "sync"

// parts of the stage that all fleets share. One fault at a time disturbs one of them, and
// none while somebody depends on it. Locks are taken in the order of the table: whoever
// disturbs anything needs the API server for it.
type parts struct{ api, git, flux, controller sync.RWMutex }

// disturb a part, or with ownPart something of a fleet's own, until the returned function runs.
func (p *parts) disturb(which part) (unlock func()) {
	if which == apiServer {
		p.api.Lock()
		return p.api.Unlock
	}
	p.api.RLock()
	lock := map[part]*sync.RWMutex{gitServer: &p.git, flux: &p.flux, controller: &p.controller}[which]
	if lock == nil {
		return p.api.RUnlock
	}
	lock.Lock()
	return func() { lock.Unlock(); p.api.RUnlock() }
}

// need the API server and Git until the returned function runs.
func (p *parts) need() (unlock func()) {
	p.api.RLock()
	p.git.RLock()
	return func() { p.git.RUnlock(); p.api.RUnlock() }
}
