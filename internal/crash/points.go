//go:build crashpoints

package crash

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
)

// referee decides who dies; its answers are "go", "die" and "during".
var referee = os.Getenv("GITOVER_CRASH_REFEREE")

// effect in progress in a scope, if a crash during it was requested.
type effect struct {
	mu    sync.Mutex
	name  string
	reads int
}

type key struct{}

// Scope begins a stretch of work of whose effects one at a time may be crashed in.
func Scope(ctx context.Context) context.Context {
	return context.WithValue(ctx, key{}, &effect{})
}

func effectOf(ctx context.Context) *effect {
	e, _ := ctx.Value(key{}).(*effect)
	return e
}

func (e *effect) set(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.name, e.reads = name, 0
}

// readsBefore a crash in an effect that changes nothing outside this process.
const readsBefore = 20

// strikes says whether the process ends at this message.
func (e *effect) strikes(changes bool) bool {
	if e == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.name == "" {
		return false
	}
	e.reads++
	return changes || e.reads >= readsBefore
}

// crash in the effect; it doesn't return.
func (e *effect) crash() {
	e.mu.Lock()
	name := e.name
	e.mu.Unlock()
	ask(name + "/during")
	kill()
}

// Before an effect.
func Before(ctx context.Context, name string) {
	switch ask(name + "/before") {
	case "die":
		kill()
	case "during":
		if e := effectOf(ctx); e != nil {
			e.set(name)
		}
	}
}

// After an effect.
func After(ctx context.Context, name string) {
	if e := effectOf(ctx); e != nil {
		e.set("")
	}
	if ask(name+"/after") == "die" {
		kill()
	}
}

// process tells this one from another in the same pod.
var process = rand.Text()

// ask the referee. It may take its time, except while traffic is held.
func ask(point string) string {
	if referee == "" {
		return "go"
	}
	pod, _ := os.Hostname() // empty if unknown
	response, err := http.PostForm(referee, url.Values{"point": {point}, "pod": {pod}, "process": {process}})
	if err != nil {
		return "go"
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return "go"
	}
	return strings.TrimSpace(string(answer))
}

// kill this process. It must not be the first one of its namespace, which can't be killed
// from within.
func kill() {
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	select {}
}
