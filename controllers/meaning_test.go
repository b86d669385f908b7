package controllers

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
		{"a missing Secret", &reasonError{reason: v1alpha1.ReasonSecretNotFound, stalled: true}, v1alpha1.ReasonSecretNotFound, true},
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
			got := outcomeOf(s.err, steps.CopyRoles)
			if got.reason != s.reason || got.stalled != s.stalled {
				t.Fatalf("outcomeOf(%v) = %s stalled=%v, want %s stalled=%v", s.err, got.reason, got.stalled, s.reason, s.stalled)
			}
			if got.requeueAfter == 0 {
				t.Fatal("never looked at again: what fixes it may be out of sight")
			}
		})
	}
}

func TestConditionsNeverContradictEachOther(t *testing.T) {
	for _, o := range []outcome{
		{ready: true, reason: v1alpha1.ReasonUpToDate}, {stalled: true, reason: v1alpha1.ReasonPreflightBlocked}, {reason: steps.CopyData},
		{ready: true, reason: v1alpha1.ReasonSoakInProgress},
	} {
		u := &v1alpha1.PgUpgrade{}
		for _, before := range []outcome{{stalled: true, reason: "Before"}, {reason: "Before"}, {ready: true, reason: "Before"}} {
			report(u, before)
			report(u, o)
			status := map[string]string{}
			for _, c := range u.Status.Conditions {
				status[c.Type] = string(c.Status)
				if c.Message == "" {
					t.Errorf("%s has no message", c.Type)
				}
			}
			ready, stalled, reconciling := status["Ready"] == "True", status["Stalled"] == "True", status["Reconciling"] == "True"
			if ready != o.ready || stalled != o.stalled || reconciling != (!o.ready && !o.stalled) {
				t.Errorf("%+v after %+v: %v", o, before, status)
			}
		}
	}
}

func TestAnInstanceAnswersAtItsService(t *testing.T) {
	upgrade := &v1alpha1.PgUpgrade{}
	upgrade.Name, upgrade.Namespace = "orders", "shop"
	upgrade.Spec.Connection.Port = 5433
	upgrade.Spec.Adopt = &v1alpha1.AdoptSpec{Name: "legacy", Version: "13", Service: "db"}
	for instance, want := range map[string]string{"orders-17": "orders-17.shop.svc", "legacy": "db.shop.svc"} {
		got, err := endpointOf(upgrade, instance)
		if err != nil || got.Host != want || got.Port != 5433 {
			t.Errorf("endpointOf(%s) = %+v, %v; want %s", instance, got, err, want)
		}
	}
	for _, stranger := range []string{"orders-12", "other-17", "orders", "postgres.example.org"} {
		if _, err := endpointOf(upgrade, stranger); reasonOf(err, "").reason != v1alpha1.ReasonUnknownTarget {
			t.Errorf("endpointOf(%s) = %v, want it refused", stranger, err)
		}
	}
}
