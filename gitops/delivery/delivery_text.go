package delivery

import (
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func state(phase Phase, format string, arguments ...any) State {
	return State{Phase: phase, Message: fmt.Sprintf(format, arguments...)}
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
