package conformance

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/steps/pooler/nginx"
	"github.com/gitover/gitover/test/pg"
)

// A worker of nginx dies in a hold, and the one that takes its place isn't stopped yet when the switch ends: it has the former
// target, so clients must not be left to it.
func TestAWorkerThatBeganInAHoldLeadsNobodyBack(t *testing.T) {
	port := pg.ReservePort(t)
	p := pg.NewProxy(t, "nginx", map[string]string{"nginx.conf": fmt.Sprintf(nginxConfig, port)},
		"/usr/sbin/nginx", "-c", "/mnt/nginx.conf", "-e", "stderr", "-g", "daemon off;")
	file := filepath.Join(p.Dir, "target.conf")
	driver := &nginx.Driver{TargetFile: file, PIDFile: filepath.Join(p.Dir, "nginx.pid"), Status: pg.ReserveAddress(t)}
	former, next := names(t, "127.0.0.1:0", "former"), names(t, "127.0.0.1:0", "next")
	write := func(to pooler.Target) {
		t.Helper()
		content, err := driver.Render(t.Context(), to)
		must(t, err)
		must(t, pooler.Write(file, content))
	}
	write(former)
	p.Run()
	var session pooler.Session
	if !within(5*time.Second, func() (up bool) {
		var err error
		session, err = driver.Connect(t.Context())
		return err == nil && asks(port) == "former"
	}) {
		t.Fatal(p.Log())
	}
	must(t, session.Rehearse(t.Context()))
	if !within(5*time.Second, func() bool { return len(workersOf(t, p.Dir)) == 2 }) {
		t.Fatal("the workers before the reload do not end")
	}
	must(t, session.Pause(t.Context()))
	write(next)
	must(t, session.Lead(t.Context(), next, former))
	before := workersOf(t, p.Dir)
	must(t, syscall.Kill(before[0], syscall.SIGKILL))
	if !within(5*time.Second, func() bool {
		all, some, err := session.Paused(t.Context())
		return err == nil && !all && some && len(workersOf(t, p.Dir)) >= len(before)
	}) {
		t.Fatal("no worker takes the place of the one that died")
	}
	must(t, session.Resume(t.Context()))
	for range 20 {
		if got := asks(port); got != "next" {
			t.Fatalf("a client is led to %q\n%s", got, p.Log())
		}
	}
}

// names is a server that says its name.
func names(t *testing.T, address, name string) pooler.Target {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte(name))
			_ = conn.Close()
		}
	}()
	return pooler.Target{Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port}
}

// asks who answers at a port.
func asks(port int) string {
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	answer := make([]byte, 20)
	n, _ := conn.Read(answer)
	return string(answer[:n])
}

// workersOf the nginx that has its files in dir.
func workersOf(t *testing.T, dir string) (found []int) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "nginx.pid"))
	must(t, err)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%s/task/%[1]s/children", strings.TrimSpace(string(content))))
	must(t, err)
	for child := range strings.FieldsSeq(string(children)) {
		pid, err := strconv.Atoi(child)
		must(t, err)
		found = append(found, pid)
	}
	return found
}
