// Package testenv is the cluster with Flux and a Git server in which the stories of the
// end-to-end tests and of the demo take place: it installs Gitover from manifests/, founds
// databases from examples/, and looks at what becomes of them. It changes nothing by other
// ways than a team has: git, SQL and the few objects that are not in Git.
package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/fleet"
)

// Stage is what the test environment needs to know of the cluster that it is in.
type Stage struct {
	// Kubeconfig of an administrator. Services and pods must be reachable from here.
	Kubeconfig string
	// Kubectl is the program, for exec.
	Kubectl string
	// Git is the fleet repository as this machine reaches it.
	Git fleet.Remote
	// GitURL is the same repository as pods reach it.
	GitURL string
	// Checkout of this project.
	Checkout string
}

// Environment is a cluster in which stories take place.
type Environment struct {
	Stage
	Client client.Client
	Pods   kubernetes.Interface
	// Log takes one line of progress.
	Log func(format string, args ...any)
}

func init() { ctrllog.SetLogger(logr.Discard()) } // what matters is told by Log

// New connects to the cluster.
func New(stage Stage, log func(string, ...any)) (*Environment, error) {
	config, err := clientcmd.BuildConfigFromFlags("", stage.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig of the stage: %w", err)
	}
	config.QPS, config.Burst = 100, 200
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, sourcev1.AddToScheme, kustomizev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	w := &Environment{Stage: stage, Log: log}
	if w.Client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	w.Pods, err = kubernetes.NewForConfig(config)
	return w, err
}

// Exec runs a program in a pod's default container and returns its output.
func (w *Environment) Exec(ctx context.Context, namespace, pod string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, w.Kubectl, append([]string{"--kubeconfig", w.Kubeconfig, "exec", "-n", namespace, pod, "--"}, args...)...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("in pod %s/%s, %s: %w: %s", namespace, pod, args[0], err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// look is how often a condition is looked at.
const look = 250 * time.Millisecond

// Await looks until done says so, and logs each new state. An error ends it, except one
// that says that the object isn't there (yet). When time is up it tells the last state.
func (w *Environment) Await(ctx context.Context, patience time.Duration, what string, done func(context.Context) (bool, string, error)) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(look)
	defer tick.Stop()
	began, last := time.Now(), ""
	for {
		ok, state, err := done(ctx)
		if apierrors.IsNotFound(err) || transient(err) {
			ok, state, err = false, err.Error(), nil
		}
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		if state != last {
			w.Log("%5.1f s  %s: %s", time.Since(began).Seconds(), what, state)
			last = state
		}
		if ok {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return fmt.Errorf("waited %s in vain for %s; last seen: %s", patience, what, last)
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; last seen: %s", what, context.Cause(ctx), last)
		}
	}
}

// transient errors of the API server, and of the way there, are worth another look.
func transient(err error) bool {
	return utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) || utilnet.IsTimeout(err) ||
		utilnet.IsHTTP2ConnectionLost(err) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err) || errors.Is(err, os.ErrDeadlineExceeded)
}
