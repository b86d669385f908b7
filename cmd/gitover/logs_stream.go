package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gitover/gitover/internal/screen"
)

// logView reads logs of the pods around an upgrade.
type logView struct {
	logFlags
	onlooker
	objects      screen.Objects
	pods         kubernetes.Interface
	out, trouble io.Writer

	mu   sync.Mutex
	told []string
}

// subject of a line of the controller's.
type subject struct{ namespace, upgrade, proxy string }

// of says whether a line is about the subject. Controllers log JSON, or text that ends with it.
func (s subject) of(line string) bool {
	at := strings.IndexByte(line, '{')
	if at < 0 {
		return false
	}
	var said struct {
		Namespace, Name, Upgrade, ControllerKind string
		PgUpgrade, PgProxy                       struct{ Namespace, Name string }
	}
	if err := json.Unmarshal([]byte(line[at:]), &said); err != nil {
		return false
	}
	return said.PgUpgrade.Namespace == s.namespace && said.PgUpgrade.Name == s.upgrade ||
		said.PgProxy.Namespace == s.namespace && said.PgProxy.Name == s.proxy ||
		said.Namespace == s.namespace && (said.Upgrade == s.upgrade || said.ControllerKind == "PgUpgrade" && said.Name == s.upgrade || said.ControllerKind == "PgProxy" && said.Name == s.proxy) ||
		said.Upgrade == s.namespace+"/"+s.upgrade
}

// open the log of a container; each line begins with its time.
func (v *logView) open(ctx context.Context, c container, follow bool) (io.ReadCloser, error) {
	o := &corev1.PodLogOptions{Container: c.name, Follow: follow, Timestamps: true}
	if v.tail >= 0 {
		o.TailLines = &v.tail
	}
	if v.since > 0 {
		seconds := int64(max(v.since, time.Second).Seconds())
		o.SinceSeconds = &seconds
	}
	return v.pods.CoreV1().Pods(c.pod.Namespace).GetLogs(c.pod.Name, o).Stream(ctx)
}

// read the lines of a container until they end.
func (v *logView) read(ctx context.Context, c container, follow bool, line func(at, text string)) error {
	log, err := v.open(ctx, c, follow)
	if err != nil {
		return err
	}
	defer log.Close()
	lines := bufio.NewReader(log)
	for {
		text, err := lines.ReadString('\n')
		at, text, _ := strings.Cut(strings.TrimRight(text, "\r\n"), " ")
		if text != "" && (!c.filter || v.about().of(text)) {
			line(at, text)
		}
		if err == io.EOF { //nolint:errorlint // as io.Reader has it
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// once writes the lines that there are, by time.
func (v *logView) once(ctx context.Context) error {
	all, err := v.containers(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errNoContainers
	}
	type line struct{ at, text string }
	var lines []line
	for _, c := range all {
		err := v.read(ctx, c, false, func(at, text string) { lines = append(lines, line{at, c.String() + " " + text}) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			v.tell(c.String() + " can't be read: " + oneLine(reasonOf(err)))
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return strings.Compare(a.at, b.at) })
	for _, l := range lines {
		if _, err := fmt.Fprintln(v.out, l.text); err != nil {
			return err
		}
	}
	return nil
}

// stream writes lines as they come, until it is interrupted.
func (v *logView) stream(ctx context.Context) error {
	w := newWatcher(v.WithWatch)
	for _, namespace := range []string{v.namespace, v.controller} {
		if err := w.watch(ctx, watched{&corev1.Pod{}, &corev1.PodList{}, namespace, false}); err != nil {
			return err
		}
	}
	var reading sync.WaitGroup
	defer reading.Wait()
	begun := map[string]bool{}
	for {
		all, err := v.containers(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && final(err):
			return err
		}
		for _, c := range all {
			if begun[c.key()] {
				continue
			}
			begun[c.key()] = true
			reading.Go(func() { v.followOne(ctx, c) })
		}
		var again <-chan time.Time
		if err != nil {
			again = time.After(lookAgain)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again:
		case <-w.changed:
			w.settle(ctx)
		}
	}
}

// followOne container until its lines end. After a connection that was lost it goes on where that was.
func (v *logView) followOne(ctx context.Context, c container) {
	last := ""
	for {
		before := last // what came before the connection was lost comes again
		err := v.read(ctx, c, true, func(at, text string) {
			v.mu.Lock()
			defer v.mu.Unlock()
			if at <= before {
				return
			}
			last = at
			fmt.Fprintln(v.out, c.String(), text)
		})
		if err == nil || ctx.Err() != nil {
			return
		}
		v.tell(c.String() + " can't be read: " + oneLine(reasonOf(err)))
		if final(err) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookAgain):
		}
	}
}
