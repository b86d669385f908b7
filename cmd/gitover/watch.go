package main

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// watched is a kind whose objects are watched.
type watched struct {
	object client.Object
	list   client.ObjectList
	// namespace; all if empty.
	namespace string
	// need: who may not watch it can't go on.
	need bool
}

// watcher tells of changes by watches of the API server, which are made again when their connection is lost.
type watcher struct {
	client.WithWatch
	// changed holds a word if something has changed that wasn't looked at yet, or a connection was lost.
	changed chan struct{}
	// denied is why a watch can't be.
	denied chan error
	// seen gets each object that comes or changes; may be nil.
	seen func(object any)

	mu sync.Mutex
	on map[string]bool
}

func newWatcher(c client.WithWatch) *watcher {
	return &watcher{WithWatch: c, changed: make(chan struct{}, 1), denied: make(chan error, 1), on: map[string]bool{}}
}

func (w *watcher) tell() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// watch a kind until the context ends. A second call for the same kind and namespace does nothing.
func (w *watcher) watch(ctx context.Context, k watched) error {
	gvk, err := w.GroupVersionKindFor(k.object)
	if err != nil {
		return err
	}
	w.mu.Lock()
	key := gvk.String() + k.namespace
	had := w.on[key]
	w.on[key] = true
	w.mu.Unlock()
	if had {
		return nil
	}
	options := func(o metav1.ListOptions) []client.ListOption {
		return []client.ListOption{client.InNamespace(k.namespace), &client.ListOptions{Raw: &o}}
	}
	informer := cache.NewSharedIndexInformer(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list := k.list.DeepCopyObject().(client.ObjectList)
			return list, w.List(ctx, list, options(o)...)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			return w.Watch(ctx, k.list.DeepCopyObject().(client.ObjectList), options(o)...)
		},
	}, k.object, 0, cache.Indexers{})
	note := func(object any) {
		if w.seen != nil {
			w.seen(object)
		}
		w.tell()
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: note, UpdateFunc: func(_, object any) { note(object) }, DeleteFunc: func(any) { w.tell() },
	}); err != nil {
		return err
	}
	err = informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		if k.need && apierrors.IsForbidden(err) {
			select {
			case w.denied <- err:
			default:
			}
		}
		w.tell() // a look says whether the cluster answers
	})
	if err != nil {
		return err
	}
	go informer.RunWithContext(ctx)
	return nil
}

// changesComeTogether: a step writes several times within a moment.
const changesComeTogether = 100 * time.Millisecond

// settle waits for the changes that come together with one.
func (w *watcher) settle(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(changesComeTogether):
	}
	select {
	case <-w.changed:
	default:
	}
}
