package outcome

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/workqueue"
)

// firstRetry after a look that failed; each further one waits twice as long, up to retryStalled.
const firstRetry = 500 * time.Millisecond

// retryJitter is the largest random part by which a wait is prolonged, so that objects that failed together
// aren't retried together.
const retryJitter = 0.2

// Retries counts the failures in a row of each object. The zero value is ready.
type Retries struct {
	once     sync.Once
	failures workqueue.TypedRateLimiter[types.NamespacedName]
}

// After is when to look again at an object.
func (r *Retries) After(object types.NamespacedName, o Outcome) time.Duration {
	r.once.Do(func() {
		r.failures = workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](firstRetry, RetryStalled)
	})
	if !o.Failing {
		r.failures.Forget(object)
		return o.RequeueAfter
	}
	return wait.Jitter(r.failures.When(object), retryJitter)
}

// Forget an object that is gone.
func (r *Retries) Forget(object types.NamespacedName) {
	r.After(object, Outcome{})
}
