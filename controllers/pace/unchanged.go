package pace

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// errChanged ends a slow look because the spec has changed.
var errChanged = errors.New("the spec was changed meanwhile")

// WhileUnchanged returns a context that ends when the spec of object changes, so that a slow look doesn't delay a
// revert. The caller calls the returned function when it is done; reader must not be a cache.
func WhileUnchanged(ctx context.Context, reader client.Reader, object client.Object, every time.Duration) (context.Context, context.CancelFunc) {
	watched, cancel := context.WithCancelCause(ctx)
	key, generation := client.ObjectKeyFromObject(object), object.GetGeneration()
	live, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		return watched, func() { cancel(nil) }
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-watched.Done():
				return
			case <-tick.C:
			}
			// the next look handles an object that can't be read or is gone
			if reader.Get(watched, key, live) == nil && (live.GetGeneration() != generation || !live.GetDeletionTimestamp().IsZero()) {
				cancel(errChanged)
			}
		}
	}()
	return watched, func() { cancel(nil); <-ended }
}

// SpecChanged says that a context of WhileUnchanged ended because the spec changed.
func SpecChanged(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errChanged) }

// LookForChanges is how often the spec is read during a slow look.
const LookForChanges = 2 * time.Second
