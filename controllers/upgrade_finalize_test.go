package controllers

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/objects"
)

// deleting gives a PgUpgrade that was deleted some time ago, in the middle of a run.
func deleting(t *testing.T, ago time.Duration, secrets bool, remove func(context.Context, postgres.Server, postgres.Names) ([]string, error)) (*v1alpha1.PgUpgrade, *record.FakeRecorder) {
	t.Helper()
	scheme := schemeOf(t, v1alpha1.AddToScheme, corev1.AddToScheme)
	u := objects.Upgrade()
	u.UID = "12345678-1234-1234-1234-123456789012"
	u.Finalizers = []string{v1alpha1.Finalizer}
	at := metav1.NewTime(time.Now().Add(-ago))
	u.DeletionTimestamp = &at
	u.Status = v1alpha1.PgUpgradeStatus{Workflow: steps.Upgrade, Step: steps.CatchUp, From: "orders-15", To: "orders-17"}
	var objects []client.Object
	for _, instance := range []string{"orders-15", "orders-17"} {
		if secrets {
			objects = append(objects, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: access.SecretNameOf(u, instance)},
				Data: map[string][]byte{"username": []byte("postgres"), "password": []byte("x")}})
			if access.SecretNameOf(u, "orders-15") == access.SecretNameOf(u, "orders-17") {
				break
			}
		}
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
	recorder := record.NewFakeRecorder(8)
	r := &UpgradeReconciler{Client: c, Uncached: c, Recorder: recorder, Now: time.Now, remove: remove}
	if _, err := r.finalize(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	return u, recorder
}

func says(t *testing.T, text string, all ...string) {
	t.Helper()
	for _, s := range all {
		if !strings.Contains(text, s) {
			t.Errorf("%q doesn't say %q", text, s)
		}
	}
}

// stubborn lets go of nothing on blue.
func stubborn(_ context.Context, s postgres.Server, _ postgres.Names) ([]string, error) {
	if s.Instance == "orders-15" {
		return []string{`drop replication slot "x" of orders-15: in use (by hand: SELECT pg_drop_replication_slot('x');)`}, nil
	}
	return nil, nil
}

func TestADeletionWaitsForWhatAServerDoesNotLetGoOf(t *testing.T) {
	u, recorder := deleting(t, time.Minute, true, stubborn)
	if len(u.Finalizers) == 0 {
		t.Error("gone, and the slot holds WAL for ever")
	}
	says(t, conditions.GetMessage(u, v1alpha1.ReadyCondition), "on orders-15", `slot "x"`, "in use", "SELECT pg_drop_replication_slot('x')")
	if len(recorder.Events) > 0 {
		t.Errorf("too early: %s", <-recorder.Events)
	}
}

func TestADeletionSaysWhatItLeavesBehindAndTheSQLThatRemovesIt(t *testing.T) {
	for story, s := range map[string]struct {
		ago     time.Duration
		secrets bool
		remove  func(context.Context, postgres.Server, postgres.Names) ([]string, error)
		says    []string
	}{
		"a server that doesn't let go": {time.Hour, true, stubborn, []string{"on orders-15", `slot "x"`, "in use", "SELECT pg_drop_replication_slot('x')"}},
		"a server that doesn't answer": {time.Hour, true, func(context.Context, postgres.Server, postgres.Names) ([]string, error) {
			return nil, errors.New("no answer")
		}, []string{"on orders-15", "on orders-17", "no answer", "gitover_123456781234_*", "starts_with(slot_name::text, 'gitover_123456781234')"}},
		"servers without a password": {time.Second, false, stubborn, []string{"on orders-15", "gitover_123456781234_*", "Secret"}},
	} {
		t.Run(story, func(t *testing.T) {
			u, recorder := deleting(t, s.ago, s.secrets, s.remove)
			if len(u.Finalizers) > 0 {
				t.Fatal("can't be deleted: ", conditions.GetMessage(u, v1alpha1.ReadyCondition))
			}
			if len(recorder.Events) != 1 {
				t.Fatalf("%d events", len(recorder.Events))
			}
			says(t, <-recorder.Events, append(s.says, "LeftBehind")...)
		})
	}
}

func TestADeletionThatRemovedEverythingSaysNothing(t *testing.T) {
	u, recorder := deleting(t, time.Second, true, func(context.Context, postgres.Server, postgres.Names) ([]string, error) { return nil, nil })
	if len(u.Finalizers) > 0 || len(recorder.Events) > 0 {
		t.Errorf("%v, %d events", u.Finalizers, len(recorder.Events))
	}
}

func TestTheEventOfALongListFitsAndSaysHowMuchIsMissing(t *testing.T) {
	text := leftBehindText([]string{strings.Repeat("a", 500), strings.Repeat("b", 400), strings.Repeat("c", 400)})
	if len(text) > 1024 {
		t.Errorf("%d bytes", len(text))
	}
	says(t, text, "bbb", "and 1 more")
}

func TestTheHistoryKeepsWhatARunCommittedAndHowOftenItTried(t *testing.T) {
	now := metav1.NewTime(time.Date(2026, 11, 20, 16, 31, 0, 0, time.UTC))
	u := &v1alpha1.PgUpgrade{}
	u.Status = v1alpha1.PgUpgradeStatus{Workflow: steps.Upgrade, Step: steps.AwaitPruned, From: "orders-15", To: "orders-17", Attempt: 40,
		Steps: []v1alpha1.StepStatus{{Name: steps.Preflight, StartedAt: &now}}}
	for range 40 {
		u.Status.Commits = append(u.Status.Commits, v1alpha1.CommitStatus{Step: steps.CommitCutover})
	}
	u.Status.Commits = append(u.Status.Commits, v1alpha1.CommitStatus{Step: steps.CommitFinalize})
	r := &UpgradeReconciler{Recorder: record.NewFakeRecorder(1)}
	r.close(u, "Finalized", now)
	got := u.Status.History[0]
	if got.Outcome != "Finalized" || got.Attempts != 40 || len(got.Commits) != mostCommits || got.Commits[mostCommits-1].Step != steps.CommitFinalize {
		t.Errorf("%+v", got)
	}
}
