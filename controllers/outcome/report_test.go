package outcome

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres/fence"
)

func TestAFailureIsCalledByItsName(t *testing.T) {
	stories := []struct {
		story   string
		err     error
		reason  string
		stalled bool
	}{
		{"a missing Secret", &ReasonError{Reason: v1alpha1.ReasonSecretNotFound, Stalled: true}, v1alpha1.ReasonSecretNotFound, true},
		{"a right that the controller lacks", fmt.Errorf("create Job: %w", apierrors.NewForbidden(schema.GroupResource{Group: "batch", Resource: "jobs"}, "", errors.New("cannot create"))), v1alpha1.ReasonForbidden, true},
		{"a protected branch", fmt.Errorf("push: %w", gitops.ErrPushForbidden), v1alpha1.ReasonPushRejected, true},
		{"a Git server that is down", gitops.ErrUnreachable, v1alpha1.ReasonGitUnreachable, false},
		{"a base that does not build", gitops.ErrBuild, v1alpha1.ReasonBuildFailed, true},
		{"a hand-edited file", gitops.ErrDrift, v1alpha1.ReasonManifestInvalid, true},
		{"a wrong password", &pgconn.PgError{Code: "28P01"}, v1alpha1.ReasonServerAuthFailed, true},
		{"a user without rights", &pgconn.PgError{Code: "42501"}, v1alpha1.ReasonRightsMissing, true},
		{"a server that starts", &pgconn.PgError{Code: "57P03"}, v1alpha1.ReasonServerUnreachable, false},
		{"a server that can't reach the other", &pgconn.PgError{Code: "08006"}, v1alpha1.ReasonReplicationBroken, false},
		{"a full disk", &pgconn.PgError{Code: "53100"}, v1alpha1.ReasonDiskFull, true},
		{"a volume that isn't empty", fmt.Errorf("claim: %w", fence.ErrNotFresh), v1alpha1.ReasonInstanceNotFresh, true},
		{"another version than the manifests say", &steps.WrongVersionError{Instance: "orders-17", Want: 17, Have: 15}, v1alpha1.ReasonWrongVersion, true},
		{"a deadline", context.DeadlineExceeded, v1alpha1.ReasonServerUnreachable, false},
		{"anything else is tried again, under the step's name", errors.New("oops"), steps.CopyRoles, false},
	}
	for _, s := range stories {
		t.Run(s.story, func(t *testing.T) {
			got := Of(s.err, steps.CopyRoles)
			if got.Reason != s.reason || got.Stalled != s.stalled {
				t.Fatalf("Of(%v) = %s stalled=%v, want %s stalled=%v", s.err, got.Reason, got.Stalled, s.reason, s.stalled)
			}
			if got.RequeueAfter == 0 {
				t.Fatal("never looked at again: what fixes it may be out of sight")
			}
		})
	}
}

func TestConditionsNeverContradictEachOther(t *testing.T) {
	for _, o := range []Outcome{
		{Ready: true, Reason: v1alpha1.ReasonUpToDate}, {Stalled: true, Reason: v1alpha1.ReasonPreflightBlocked}, {Reason: steps.CopyData},
		{Ready: true, Reason: v1alpha1.ReasonSoakInProgress},
	} {
		u := &v1alpha1.PgUpgrade{}
		for _, before := range []Outcome{{Stalled: true, Reason: "Before"}, {Reason: "Before"}, {Ready: true, Reason: "Before"}} {
			Report(u, before)
			Report(u, o)
			status := map[string]string{}
			for _, c := range u.Status.Conditions {
				status[c.Type] = string(c.Status)
				if c.Message == "" {
					t.Errorf("%s has no message", c.Type)
				}
			}
			ready, stalled, reconciling := status["Ready"] == "True", status["Stalled"] == "True", status["Reconciling"] == "True"
			if ready != o.Ready || stalled != o.Stalled || reconciling != (!o.Ready && !o.Stalled) {
				t.Errorf("%+v after %+v: %v", o, before, status)
			}
		}
	}
}
