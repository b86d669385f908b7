package notify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	eventv1 "github.com/fluxcd/pkg/apis/event/v1beta1"
	"github.com/fluxcd/pkg/runtime/events"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/controllers/logs"
)

const (
	// queued is how many events may wait to be posted.
	queued = 256
	// drainTime is how long a controller that stops goes on posting what waits.
	drainTime = 10 * time.Second
)

// Recorder is the controllers' event recorder. It is safe for concurrent use.
type Recorder struct {
	kubernetes record.EventRecorder
	log        logr.Logger
	// reader finds the Kustomization; the cache will do
	reader client.Reader
	// flux posts; nil without an address
	flux  *events.Recorder
	queue chan notification
}

// New recorder. Events go to recorder, and are posted to address unless that is empty, once Start runs.
func New(recorder record.EventRecorder, reader client.Reader, scheme *runtime.Scheme, log logr.Logger, address string) (*Recorder, error) {
	r := &Recorder{kubernetes: recorder, log: log, reader: reader, queue: make(chan notification, queued)}
	if address == "" {
		return r, nil
	}
	if u, err := url.Parse(address); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("--events-addr isn't an address such as http://notification-controller.flux-system.svc.cluster.local./")
	}
	var err error
	r.flux, err = events.NewRecorderForScheme(scheme, nothing{}, log, address, reportingController)
	return r, err
}

// reportingController is the name by which events are sent.
const reportingController = "gitover"

// Event implements record.EventRecorder.
func (r *Recorder) Event(object runtime.Object, eventType, reason, message string) {
	r.AnnotatedEventf(object, nil, eventType, reason, "%s", message)
}

// Eventf implements record.EventRecorder.
func (r *Recorder) Eventf(object runtime.Object, eventType, reason, format string, args ...any) {
	r.AnnotatedEventf(object, nil, eventType, reason, format, args...)
}

// AnnotatedEventf implements record.EventRecorder.
func (r *Recorder) AnnotatedEventf(object runtime.Object, annotations map[string]string, eventType, reason, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	r.log.WithValues(logs.Keys(object)...).WithValues(place(object)...).Info(message, "event", reason, "type", eventType)
	inKubernetes := eventType
	if eventType == eventv1.EventTypeTrace {
		inKubernetes = corev1.EventTypeNormal
	}
	r.kubernetes.AnnotatedEventf(object, annotations, inKubernetes, reason, "%s", message)
	if r.flux == nil || eventType == eventv1.EventTypeTrace {
		return
	}
	select {
	case r.queue <- notificationOf(object, annotations, eventType, reason, message):
	default:
		r.log.Info("an event isn't posted, since too many wait to be", "event", reason, "message", message)
	}
}

// place of an object among the keys of the log.
func place(object runtime.Object) []any {
	if o, ok := object.(client.Object); ok {
		return []any{"namespace", o.GetNamespace(), "name", o.GetName()}
	}
	return nil
}

// Start posts events, in order, until the context ends, and then what still waits, for a while. It makes Recorder a Runnable
// of a manager.
func (r *Recorder) Start(ctx context.Context) error {
	for {
		select {
		case n := <-r.queue:
			r.post(ctx, n)
		case <-ctx.Done():
			r.drain(context.WithoutCancel(ctx))
			return nil
		}
	}
}

func (r *Recorder) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	for ctx.Err() == nil {
		select {
		case n := <-r.queue:
			r.post(ctx, n)
		default:
			return
		}
	}
}

// nothing records nothing: the events are in Kubernetes already, on Gitover's own objects.
type nothing struct{}

func (nothing) Event(runtime.Object, string, string, string)          {}
func (nothing) Eventf(runtime.Object, string, string, string, ...any) {}
func (nothing) AnnotatedEventf(runtime.Object, map[string]string, string, string, string, ...any) {
}
