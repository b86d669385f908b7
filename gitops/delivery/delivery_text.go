package delivery

import (
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/gitops"
)

func state(phase Phase, format string, arguments ...any) State {
	return State{Phase: phase, Message: fmt.Sprintf(format, arguments...)}
}

// suspended says how to resume an object of Flux's, by the words that follow "flux resume".
func suspended(name, resume string, object client.Object) State {
	return state(Suspended, "%s is suspended: resume it (flux resume %s %s -n %s)", name, resume, object.GetName(), object.GetNamespace())
}

// sourceFailed says what is wrong with a GitRepository, in the words of one of its conditions.
func sourceFailed(name, what string, condition *metav1.Condition) State {
	return state(SourceFailed, "%s %s (%s): %s", name, what, condition.Reason, gitops.Printable(condition.Message, 500))
}

// notStarted says what keeps a Kustomization from an attempt, by its row in beforeAttempt.
func notStarted(name string, phase Phase, reason, message string) State {
	if phase == DependencyNotReady {
		return state(phase, "%s waits for another Kustomization: %s", name, message)
	}
	return state(phase, "%s can't start (%s): %s", name, reason, message)
}

// missing makes a state of an object that isn't there, and an error of any other failure to read it.
func missing(name string, phase Phase, err error) (State, error) {
	if apierrors.IsNotFound(err) {
		return state(phase, "%s doesn't exist: create it, or correct the reference", name), nil
	}
	return State{}, fmt.Errorf("read %s: %w", name, err)
}

// short is a commit as people write it.
func short(sha string) string { return sha[:min(len(sha), 8)] }

func lower(text string) string { return strings.ToLower(text) }

func orNothing(revision string) string {
	if revision == "" {
		return "nothing yet"
	}
	return revision
}
