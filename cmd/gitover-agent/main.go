// Command gitover-agent runs beside a pooler. It is in the same image as gitover, but a
// separate program because it runs in every pooler's pod: without the controller's libraries
// it needs a third of the memory.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/gitover/gitover/internal/version"
	"github.com/gitover/gitover/steps/agent"
	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/steps/pooler/haproxy"
	"github.com/gitover/gitover/steps/pooler/nginx"
	"github.com/gitover/gitover/steps/pooler/pgbouncer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := agentCommand().ExecuteContext(ctx); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "gitover-agent:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

type agentFlags struct {
	proxy, namespace, secrets string
	pooler                    string
	admin                     pgbouncer.Admin
	adminPassword             string
	haproxy                   haproxy.Driver
	socket                    string
	nginx                     nginx.Driver
	options                   agent.Options
}

func agentCommand() *cobra.Command {
	var f agentFlags
	command := &cobra.Command{
		Use:           "gitover-agent",
		Short:         "Run beside a pooler: write its target, hold and release its traffic",
		Version:       version.String(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Long: `gitover-agent is a container of the pooler's pod. It writes the file that the
pooler's configuration includes, with the instance that PgProxy's status says is active; it does what
the controller asks over mutual TLS; and it releases held traffic by itself when the
controller is silent. POD_NAME and POD_NAMESPACE come from the downward API.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := f.complete()
			if err != nil {
				return err
			}
			return agent.Run(cmd.Context(), options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&f.proxy, "proxy", "", "name of the PgProxy")
	flags.StringVar(&f.namespace, "namespace", os.Getenv("POD_NAMESPACE"), "namespace of the PgProxy")
	flags.StringVar(&f.secrets, "secret-dir", "/etc/gitover-agent", "directory where the Secret <proxy>-gitover-agent is mounted")
	flags.StringVar(&f.pooler, "pooler", cmp.Or(os.Getenv("GITOVER_POOLER"), pooler.PgBouncer), "what the pod's first container runs: "+strings.Join(poolers(), ", ")+"; GITOVER_POOLER by default")
	flags.StringVar(&f.options.TargetFile, "target-file", "", "file that the pooler's configuration includes, on a volume that both containers mount; target.ini (PgBouncer), target.cfg (HAProxy) or target.conf (NGINX) in /run/gitover by default")
	flags.StringVar(&f.options.StateFile, "state-file", "", "where the agent remembers a hold; agent.json beside the target file by default")
	flags.StringVar(&f.admin.Host, "admin-socket-dir", "/run/gitover", "directory of PgBouncer's Unix socket, or an address")
	flags.IntVar(&f.admin.Port, "admin-port", 6432, "PgBouncer's listen_port")
	flags.StringVar(&f.admin.User, "admin-user", "pgbouncer", "one of PgBouncer's admin_users; \"pgbouncer\" needs no password over its socket from the same user id")
	flags.StringVar(&f.adminPassword, "admin-password-file", "", "file with that user's password, if it needs one")
	flags.StringVar(&f.socket, "haproxy-socket", "/run/gitover/haproxy.sock", "HAProxy's stats socket with level admin: a Unix socket, or host:port")
	flags.StringSliceVar(&f.haproxy.Frontends, "haproxy-frontends", []string{"postgres"}, "HAProxy's frontends that lead to backend "+haproxy.Backend)
	flags.StringVar(&f.nginx.PIDFile, "nginx-pid-file", "/run/gitover/nginx.pid", "nginx's pid, on the volume that both containers mount")
	flags.StringVar(&f.nginx.Status, "nginx-status", "127.0.0.1:8602", "free address of the pod at which nginx says which target it serves")
	flags.StringVar(&f.options.Listen, "listen", ":8600", "address of the API")
	flags.StringVar(&f.options.ProbeListen, "probe-listen", ":8601", "address of the kubelet's probes")
	_ = command.MarkFlagRequired("proxy")
	return command
}

func (f *agentFlags) complete() (agent.Options, error) {
	o := f.options
	if f.namespace == "" {
		return o, fmt.Errorf("namespace unknown: set POD_NAMESPACE from the downward API, or --namespace")
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return o, fmt.Errorf("reach the API server: %w", err)
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if o.Source, err = agent.NewKubernetesSource(config, f.namespace, f.proxy, log); err != nil {
		return o, err
	}
	if o.TargetFile == "" {
		o.TargetFile = "/run/gitover/" + targetFiles[f.pooler]
	}
	if o.Driver, err = f.driver(o.TargetFile); err != nil {
		return o, err
	}
	in := func(name string) string { return filepath.Join(f.secrets, name) }
	o.CertificateAuthority, o.Certificate, o.Key = in("ca.crt"), in("tls.crt"), in("tls.key")
	o.RegisterUserFile, o.RegisterPasswordFile = in("register-user"), in("register-password")
	if o.StateFile == "" {
		o.StateFile = filepath.Join(filepath.Dir(o.TargetFile), "agent.json")
	}
	o.Name = os.Getenv("POD_NAME")
	o.Log = log
	return o, nil
}

// targetFiles by the pooler that includes them.
var targetFiles = map[string]string{pooler.PgBouncer: "target.ini", pooler.HAProxy: "target.cfg", pooler.NGINX: "target.conf"}

func poolers() []string { return slices.Sorted(maps.Keys(targetFiles)) }

// driver of the pooler that the flags say.
func (f *agentFlags) driver(targetFile string) (pooler.Driver, error) {
	switch f.pooler {
	case pooler.PgBouncer:
		if f.adminPassword != "" {
			password, err := os.ReadFile(f.adminPassword)
			if err != nil {
				return nil, fmt.Errorf("read the admin user's password: %w", err)
			}
			f.admin.Password = string(password)
		}
		return pgbouncer.Driver{Admin: f.admin}, nil
	case pooler.HAProxy:
		f.haproxy.Socket, f.haproxy.LimitsFile = haproxy.Socket(f.socket), targetFile+".limits"
		return &f.haproxy, nil
	case pooler.NGINX:
		f.nginx.TargetFile = targetFile
		return &f.nginx, nil
	}
	return nil, fmt.Errorf("--pooler=%s is unknown; use one of %s", f.pooler, strings.Join(poolers(), ", "))
}
