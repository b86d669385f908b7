package main

import (
	"context"
	"fmt"
	"os"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/runtime/events"
	"github.com/fluxcd/pkg/runtime/logger"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	registry "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers"
	own "github.com/gitover/gitover/controllers/cluster"
	"github.com/gitover/gitover/controllers/metrics"
	"github.com/gitover/gitover/controllers/notify"
	"github.com/gitover/gitover/controllers/tracing"
	"github.com/gitover/gitover/internal/crash"
	"github.com/gitover/gitover/steps/analysis"
)

type controllerFlags struct {
	metrics, probes, eventsAddress, tracingEndpoint string
	namespace, selector, clones, copyImage          string
	leaderElect, noCrossNamespaceRefs               bool
	analysisAddresses                               []string
	concurrent                                      int
	lease, renew, retry                             time.Duration
	log                                             logger.Options
}

func controllerCommand() *cobra.Command {
	var f controllerFlags
	command := &cobra.Command{
		Use:   "controller",
		Short: "Run the controllers of PgUpgrade and PgProxy",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runController(cmd, f) },
	}
	flags := command.Flags()
	flags.StringVar(&f.metrics, "metrics-addr", ":8080", "address of the metrics endpoint")
	flags.StringVar(&f.probes, "health-addr", ":8081", "address of the health endpoint")
	flags.StringVar(&f.eventsAddress, "events-addr", "", "address of Flux's notification-controller, to post events to")
	flags.StringVar(&f.tracingEndpoint, "tracing-endpoint", "", "address of an OpenTelemetry collector, to send traces of upgrades and switches to by OTLP over HTTP")
	flags.StringVar(&f.namespace, "watch-namespace", "", "namespace to watch; all if empty")
	flags.StringVar(&f.selector, "watch-label-selector", "", "work for PgUpgrades and PgProxies with these labels only")
	flags.StringVar(&f.clones, "clone-dir", "/tmp/gitover", "directory for clones of fleet repositories")
	flags.StringVar(&f.copyImage, "copy-image", "", "Gitover's image for the Jobs of parallel copies; that of this pod if empty")
	flags.BoolVar(&f.leaderElect, "leader-elect", false, "let one of several controllers lead")
	flags.DurationVar(&f.lease, "leader-election-lease-duration", 15*time.Second, "how long a leader may be silent before another takes over")
	flags.DurationVar(&f.renew, "leader-election-renew-deadline", 10*time.Second, "how long a leader tries to renew its lease before it gives up")
	flags.DurationVar(&f.retry, "leader-election-retry-period", 2*time.Second, "time between two tries to lead, or to renew")
	flags.BoolVar(&f.noCrossNamespaceRefs, "no-cross-namespace-refs", false, "refuse references to Flux objects of other namespaces")
	flags.StringSliceVar(&f.analysisAddresses, "analysis-addresses", nil, "networks in CIDR notation that HTTP checks and Prometheus queries of spec.soak.analysis may reach; all but loopback, link-local and metadata addresses if empty")
	flags.IntVar(&f.concurrent, "concurrent", 50, "how many objects of each kind are reconciled at once")
	f.log.BindFlags(flags)
	return command
}

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	utilruntime.Must(sourcev1.AddToScheme(s))
	utilruntime.Must(kustomizev1.AddToScheme(s))
	return s
}

func runController(cmd *cobra.Command, f controllerFlags) error {
	log := logger.NewLogger(f.log)
	ctrl.SetLogger(log)
	grace := 20 * time.Second
	options := ctrl.Options{
		Scheme:                        scheme(),
		Metrics:                       server.Options{BindAddress: f.metrics},
		HealthProbeBindAddress:        f.probes,
		LeaderElection:                f.leaderElect,
		LeaderElectionID:              "gitover.dev",
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &f.lease,
		RenewDeadline:                 &f.renew,
		RetryPeriod:                   &f.retry,
		GracefulShutdownTimeout:       &grace,
		// Secrets are read one by one, when needed: no cache holds them
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	}
	selected, err := narrow(&options.Cache, f.selector)
	if err != nil {
		return err
	}
	if f.namespace != "" {
		options.Cache.DefaultNamespaces = map[string]cache.Config{f.namespace: {}}
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	config.Wrap(crash.HTTP)
	manager, err := ctrl.NewManager(config, options)
	if err != nil {
		return fmt.Errorf("set up the manager: %w", err)
	}
	recorder, err := observe(manager, log, f.eventsAddress)
	if err != nil {
		return err
	}
	tracer, err := traceTo(cmd.Context(), manager, log, f.tracingEndpoint)
	if err != nil {
		return err
	}
	pods, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("set up the client: %w", err)
	}
	identity, err := os.Hostname() // the pod's name
	if err != nil {
		return fmt.Errorf("find this pod's name: %w", err)
	}
	reachable, err := analysis.AddressesOf(f.analysisAddresses)
	if err != nil {
		return fmt.Errorf("--analysis-addresses: %w", err)
	}
	upgrades := &controllers.UpgradeReconciler{
		Client: manager.GetClient(), Uncached: manager.GetAPIReader(), Pods: pods, Recorder: recorder, Tracer: tracer,
		CloneDirectory: f.clones, NoCrossNamespaceRefs: f.noCrossNamespaceRefs, Selector: selected, AnalysisAddresses: reachable, Now: time.Now,
		Self: own.Self{Image: f.copyImage, Namespace: os.Getenv("POD_NAMESPACE"), Pod: identity},
	}
	if err := upgrades.SetupWithManager(manager, f.concurrent); err != nil {
		return fmt.Errorf("set up PgUpgrade: %w", err)
	}
	proxies := &controllers.ProxyReconciler{Client: manager.GetClient(), Uncached: manager.GetAPIReader(), Recorder: recorder, Tracer: tracer, Fleet: upgrades,
		Identity: identity, Elected: f.leaderElect, Selector: selected, Now: time.Now}
	upgrades.Poolers = proxies.Averages
	if err := proxies.SetupWithManager(manager, f.concurrent); err != nil {
		return fmt.Errorf("set up PgProxy: %w", err)
	}
	for _, add := range []func(string, healthz.Checker) error{manager.AddHealthzCheck, manager.AddReadyzCheck} {
		if err := add("ping", healthz.Ping); err != nil {
			return fmt.Errorf("set up health checks: %w", err)
		}
	}
	return manager.Start(cmd.Context())
}

// observe has events recorded and posted to address, and the state of objects among the metrics.
func observe(manager ctrl.Manager, log logr.Logger, address string) (*notify.Recorder, error) {
	inKubernetes, err := events.NewRecorder(manager, log, "", "gitover")
	if err != nil {
		return nil, fmt.Errorf("set up events: %w", err)
	}
	recorder, err := notify.New(inKubernetes, manager.GetClient(), manager.GetScheme(), log, address)
	if err != nil {
		return nil, err
	}
	if err := manager.Add(recorder); err != nil {
		return nil, fmt.Errorf("set up events: %w", err)
	}
	collector := &metrics.Collector{Reader: manager.GetClient(), Elected: manager.Elected()}
	if err := registry.Registry.Register(collector); err != nil {
		return nil, fmt.Errorf("set up metrics: %w", err)
	}
	return recorder, nil
}

// traceTo has spans sent to a collector; nil without an address.
func traceTo(ctx context.Context, manager ctrl.Manager, log logr.Logger, address string) (*tracing.Tracer, error) {
	tracer, err := tracing.New(ctx, address)
	if err != nil || tracer == nil {
		return nil, err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Info("spans were lost", "error", err.Error()) }))
	if err := manager.Add(tracer); err != nil {
		return nil, fmt.Errorf("set up tracing: %w", err)
	}
	return tracer, nil
}

// narrow the cache to objects of instances, since a cluster has many other pods, and to
// our own objects with the labels that the selector asks for, which it returns.
func narrow(options *cache.Options, selector string) (selected labels.Selector, err error) {
	instances, err := labels.Parse(v1alpha1.UpgradeLabel)
	if err != nil {
		return nil, fmt.Errorf("label selector: %w", err)
	}
	if selected, err = labels.Parse(selector); err != nil {
		return nil, fmt.Errorf("--watch-label-selector: %w", err)
	}
	options.ByObject = map[client.Object]cache.ByObject{}
	for _, object := range []client.Object{&corev1.Pod{}, &corev1.PersistentVolumeClaim{}, &appsv1.StatefulSet{}, &appsv1.Deployment{}, &batchv1.Job{}} {
		options.ByObject[object] = cache.ByObject{Label: instances}
	}
	for _, object := range []client.Object{&v1alpha1.PgUpgrade{}, &v1alpha1.PgProxy{}} {
		options.ByObject[object] = cache.ByObject{Label: selected}
	}
	options.DefaultTransform = cache.TransformStripManagedFields()
	return selected, nil
}
