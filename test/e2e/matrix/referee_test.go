package matrix

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// referee decides at which point a story's controller dies. Controllers ask it at each
// point and wait for its answer.
type referee struct {
	url     string
	replace replacer
	ended   context.Context

	// events happen once, when a controller first comes to a point, before it is judged.
	events map[string]func(context.Context) error

	mu     sync.Mutex
	to     []string // reach
	deaths []*death
	burial sync.WaitGroup
	faults []error
}

// replacer is the Deployment of the controllers.
type replacer interface {
	// AwaitStandby waits until another replica than this pod is ready to take over.
	AwaitStandby(ctx context.Context, pod string) error
	// Bury waits until this pod's controller is seen to have died of SIGKILL, and has the
	// pod replaced.
	Bury(ctx context.Context, pod string) error
}

// death of a controller: one cell.
type death struct {
	point, pod, process string
	at                  time.Time
	// heir is the replica that took over, and after how long it was first heard of.
	heir  string
	after time.Duration
}

// newReferee listens on this machine's address on the way to a host of the cluster.
func newReferee(t *testing.T, host string, replace replacer) *referee {
	t.Helper()
	way, err := net.Dial("udp", net.JoinHostPort(host, "80")) // sends nothing
	if err != nil {
		t.Fatal(err)
	}
	address := way.LocalAddr().(*net.UDPAddr).IP.String()
	_ = way.Close()
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	r := &referee{url: "http://" + listener.Addr().String(), replace: replace, ended: t.Context()}
	server := &http.Server{Handler: r}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return r
}

// ServeHTTP answers a controller.
func (r *referee) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	fmt.Fprint(w, r.judge(request.Context(), request.FormValue("point"), request.FormValue("pod"), request.FormValue("process")))
}

func (r *referee) judge(ctx context.Context, point, pod, process string) string {
	r.heard(pod)
	r.happen(point)
	name, before := strings.CutSuffix(point, "/before")
	during := before && r.wanted(name+"/during")
	if !r.wanted(point) && !during {
		return "go"
	}
	if !holds(point) {
		// while traffic is held nobody lingers: there the last controller may die
		if err := r.replace.AwaitStandby(ctx, pod); err != nil {
			return "go"
		}
	}
	if r.inject(point, pod, process) {
		return "die"
	}
	if during {
		return "during"
	}
	return "go"
}

// on a point, when it is first come to, something happens.
func (r *referee) on(point string, do func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.events == nil {
		r.events = map[string]func(context.Context) error{}
	}
	r.events[point] = do
}

func (r *referee) happen(point string) {
	r.mu.Lock()
	do := r.events[point]
	delete(r.events, point)
	r.mu.Unlock()
	if do == nil {
		return
	}
	if err := do(r.ended); err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.faults = append(r.faults, fmt.Errorf("at %s: %w", point, err))
	}
}

// heard of a pod: it lives, and so took over from one that died.
func (r *referee) heard(pod string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.deaths); n > 0 && r.deaths[n-1].heir == "" && r.deaths[n-1].pod != pod {
		r.deaths[n-1].heir, r.deaths[n-1].after = pod, time.Since(r.deaths[n-1].at)
	}
}

func (r *referee) wanted(point string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.to, point)
}

// inject once at each point that is still to be reached.
func (r *referee) inject(point, pod, process string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.to, point)
	// parts that run side by side ask side by side, and a controller dies but once
	dying := slices.ContainsFunc(r.deaths, func(d *death) bool { return d.process == process })
	if i < 0 || dying {
		return false
	}
	r.to = slices.Delete(r.to, i, i+1)
	r.deaths = append(r.deaths, &death{point: point, pod: pod, process: process, at: time.Now()})
	r.burial.Go(func() {
		if err := r.replace.Bury(r.ended, pod); err != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.faults = append(r.faults, fmt.Errorf("killed at %s: %w", point, err))
		}
	})
	return true
}

// expect deaths at these points from now on.
func (r *referee) expect(points []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = append(r.to, points...)
}

// left are the points that are still to be reached.
func (r *referee) left() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.to)
}

// takeLeft returns them and expects no more deaths.
func (r *referee) takeLeft() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.to
	r.to = nil
	return left
}

// burials waits until all who were told to die are seen to have died by SIGKILL, and returns
// what speaks against it.
func (r *referee) burials() []error {
	r.burial.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.faults)
}

// died are all deaths so far.
func (r *referee) died() []death {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []death
	for _, d := range r.deaths {
		all = append(all, *d)
	}
	return all
}
