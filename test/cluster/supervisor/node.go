package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gitover/gitover/test/cluster/layout"
)

// Run is RunCommand: PID 1 of the node. It returns when it is told to end; the
// kernel then ends everything else in its namespaces.
func Run(configPath string) error {
	config, err := readConfig(configPath)
	if err != nil {
		return err
	}
	if err := checkCgroupRoot(); err != nil {
		return err
	}
	if err := enterRoot(config); err != nil {
		return err
	}
	os.Setenv("PATH", layout.NodeBin+":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	os.Setenv("HOME", "/root")
	if err := syscall.Sethostname([]byte(layout.NodeName)); err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	if err := writeFiles(nodeFiles(config)); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := network(ctx, config.Network); err != nil {
		return err
	}
	processes := map[string]*process{}
	for _, c := range components {
		processes[c.name] = newProcess(c, config)
		go processes[c.name].keep(ctx)
	}
	if err := prepareImages(ctx, config); err != nil {
		return err
	}
	go reapOrphans(ctx)
	return serveControl(ctx, processes)
}

// network configures the node's end of the cable and its kernel settings.
func network(ctx context.Context, n layout.Network) error {
	for _, args := range [][]string{
		{"ip", "link", "set", "lo", "up"},
		{"ip", "addr", "add", n.Node() + "/30", "dev", layout.NodeLink},
		{"ip", "link", "set", layout.NodeLink, "up"},
		{"ip", "route", "add", "default", "via", n.Host()},
		// A Service without endpoints is forwarded nowhere; without this its packets
		// would go back out of the cable they came in by, and nobody would refuse them.
		{"ip", "route", "add", n.Services(), "dev", "lo", "src", n.Node()},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", args, err, out)
		}
	}
	for _, setting := range []string{"ip_forward", "conf/all/route_localnet"} {
		if err := os.WriteFile("/proc/sys/net/ipv4/"+setting, []byte("1"), 0o644); err != nil {
			return fmt.Errorf("kernel setting: %w", err)
		}
	}
	return nil
}

// serveControl answers POST /components/<name>/<action> until ctx ends.
func serveControl(ctx context.Context, processes map[string]*process) error {
	if err := os.MkdirAll(filepath.Dir(layout.Control), 0o700); err != nil {
		return err
	}
	listener, err := net.Listen("unix", layout.Control)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /components/{name}/{action}", func(w http.ResponseWriter, r *http.Request) {
		p, found := processes[r.PathValue("name")]
		if !found {
			http.Error(w, "no such component", http.StatusNotFound)
			return
		}
		if err := p.act(r.PathValue("action")); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	mux.HandleFunc("GET /components", func(w http.ResponseWriter, _ *http.Request) {
		pids := map[string]int{}
		for name, p := range processes {
			p.mu.Lock()
			if p.command != nil && p.command.Process != nil {
				pids[name] = p.command.Process.Pid
			}
			p.mu.Unlock()
		}
		_ = json.NewEncoder(w).Encode(pids)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
