package e2e

import (
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/pg"
)

// inParallel copies an app's data by Jobs of Gitover's, slowly enough to see them at work.
func inParallel(file, content string) string {
	return testenv.CopyBy(v1alpha1.CopyParallel+", workers: 2, bytesPerSecond: 1Mi")(file, content)
}

// copyPods are the pods of Jobs that copy tables.
func (s *story) copyPods() (pods []corev1.Pod) {
	s.t.Helper()
	var all corev1.PodList
	s.must(s.app.Client.List(s.t.Context(), &all, client.InNamespace(s.app.Namespace)))
	for _, p := range all.Items {
		if strings.HasPrefix(p.Labels[batchv1.JobNameLabel], "gitover-copy-") {
			pods = append(pods, p)
		}
	}
	return pods
}

// The Job's pod is killed in the middle, and the next one continues; then the cutover is reverted, made again and kept.
func TestAnUpgradeByAParallelCopyIsRolledBackByARevertAndCutOverAgain(t *testing.T) {
	t.Parallel()
	s := begin(t, testenv.AppOptions{Namespace: "parallel", Change: inParallel})
	s.must(s.app.Run(t.Context(), "orders-15", testenv.Databases[0], "CREATE TABLE bulk (id int PRIMARY KEY, what text); INSERT INTO bulk SELECT g, repeat(md5(g::text), 10) FROM generate_series(1, 60000) g"))
	before := s.fingerprint("orders-15")
	s.merge("17")
	s.must(s.app.AwaitUpgrade(t.Context(), 10*time.Minute, "a copy at work", func(u *v1alpha1.PgUpgrade) bool {
		c := u.Status.Copy
		return u.Status.CopyMethod != nil && u.Status.CopyMethod.Method == v1alpha1.CopyParallel && u.Status.Step == "CopyData" && c != nil && c.BytesCopied > 2<<20
	}))
	for _, pod := range s.copyPods() {
		if pod.Status.Phase != corev1.PodRunning {
			continue
		}
		if automounts := pod.Spec.AutomountServiceAccountToken; automounts == nil || *automounts {
			t.Error("the copy's pod has a token for the API server")
		}
		s.must(client.IgnoreNotFound(s.app.Client.Delete(t.Context(), &pod, client.GracePeriodSeconds(0))))
	}
	s.awaitSoak("orders-17")
	s.thereAndBack("orders-15", "orders-17")
	s.keep("17")
	s.isGone("orders-15", "15")
	s.cleanOn("orders-17")
	s.same(before, "orders-17")
	s.lostNothing("orders-17", 3)
	if pods := s.copyPods(); len(pods) > 0 {
		t.Errorf("%d pods of the copy are left", len(pods))
	}
}

// Taken back while the Job is at work: neither Job nor slot, publication nor instance stays.
func TestRevertingTheVersionDuringAParallelCopyLeavesNothingBehind(t *testing.T) {
	pg.Long(t)
	t.Parallel()
	s := begin(t, testenv.AppOptions{Namespace: "recalled", Change: inParallel})
	merge := s.merge("17")
	s.awaitStep("CopyData", 10*time.Minute)
	s.revert(merge)
	s.awaitHistory("Aborted")
	s.isGone("orders-17", "17")
	s.cleanOn("orders-15")
	if pods := s.copyPods(); len(pods) > 0 {
		t.Errorf("%d pods of the copy are left", len(pods))
	}
	s.lostNothing("orders-15", 0)
}
