package outcome

import (
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/record"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/hooks"
)

// BadHook says whether an error is a mistake in a hook that people must correct.
func BadHook(err error) bool {
	var known *ReasonError
	return errors.Is(err, gitops.ErrPathMissing) || errors.Is(err, gitops.ErrBadPath) || errors.Is(err, gitops.ErrBadFile) || errors.Is(err, steps.ErrHookSecret) ||
		errors.As(err, &known) && known.Reason == v1alpha1.ReasonSecretNotFound ||
		apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)
}

// EmitHookEvents tells of each hook that has ended since.
func EmitHookEvents(recorder record.EventRecorder, upgrade *v1alpha1.PgUpgrade, before []v1alpha1.HookStatus) {
	for _, e := range upgrade.Status.Hooks {
		if e.FinishedAt == nil || slices.ContainsFunc(before, func(b v1alpha1.HookStatus) bool { return b.Job == e.Job && b.FinishedAt != nil }) {
			continue
		}
		output := ""
		if e.Output != "" {
			output = ": " + hooks.OneLine(e.Output)
		}
		switch e.State {
		case v1alpha1.HookSucceeded:
			recorder.Event(upgrade, corev1.EventTypeNormal, v1alpha1.ReasonHookSucceeded, fmt.Sprintf("hook %s (%s) succeeded at %.12s%s", e.Name, e.Moment, e.Revision, output))
		case v1alpha1.HookFailed:
			recorder.Event(upgrade, corev1.EventTypeWarning, v1alpha1.ReasonHookFailed, fmt.Sprintf("hook %s (%s) failed at %.12s: %s%s", e.Name, e.Moment, e.Revision, e.Message, output))
		case v1alpha1.HookPending, v1alpha1.HookRunning, v1alpha1.HookCanceled:
		}
	}
}
