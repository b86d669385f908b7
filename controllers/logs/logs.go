// Package logs gives the controllers' log lines the keys by which people look for them: which upgrade, which run, which step.
// It is the one place that makes a logger.
package logs

import (
	"context"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitover/gitover/api/v1alpha1"
)

// For an object, as it is now: the logger of the look in progress, with Keys.
func For(ctx context.Context, object runtime.Object) logr.Logger {
	return log.FromContext(ctx).WithValues(Keys(object)...)
}

// Keys of an object, each followed by its value; those without a value are left out.
func Keys(object runtime.Object) []any {
	var all []any
	add := func(key, value string) {
		if value != "" {
			all = append(all, key, value)
		}
	}
	switch o := object.(type) {
	case *v1alpha1.PgUpgrade:
		add("upgrade", o.Name)
		add("run", o.Status.Run)
		add("workflow", o.Status.Workflow)
		add("step", o.Status.Step)
	case *v1alpha1.PgProxy:
		add("proxy", o.Name)
		add("upgrade", o.Spec.UpgradeRef.Name)
		if s := o.Status.Switch; s != nil {
			add("switch", s.ID)
			add("phase", s.Phase)
		}
	}
	return all
}
