package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
)

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
