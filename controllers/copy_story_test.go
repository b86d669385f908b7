package controllers

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/cluster"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/disk"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// TestAnUpgradeByAParallelCopyGoesFromItsRequestToItsCutover in either direction, while applications write, over a killed pod and a restart of each server.
func TestAnUpgradeByAParallelCopyGoesFromItsRequestToItsCutover(t *testing.T) {
	pairs := pg.Pairs([2]int{17, 15}, [2]int{postgres.Oldest, postgres.Latest}, [2]int{postgres.Latest, postgres.Oldest}, [2]int{17, 18}, [2]int{18, 17}, [2]int{13, 15}, [2]int{18, 13})
	for _, versions := range append([][2]int{{15, 17}}, pairs...) {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			w := aCopy(t, versions[0], versions[1])
			w.goes("the copy is at work", w.halfway)
			if m := w.u.Status.CopyMethod; m == nil || m.Method != v1alpha1.CopyParallel || w.u.Status.Step != steps.CopyData {
				t.Errorf("%+v at %s", m, w.u.Status.Step)
			}
			w.blue.Exec("d", "UPDATE large SET n = n + 1 WHERE id % 100 = 0; DELETE FROM large WHERE id = 39999; INSERT INTO t VALUES (6001, 'during the copy'); UPDATE logged SET what = 'y' WHERE id < 10; UPDATE kinds SET what = 'y' WHERE k < 10")
			w.killed(w.copyJob())
			w.green.Kill()
			w.green.Run()
			w.goes("it continues", func() bool { return len(w.pods) == 1 })
			w.blue.Kill()
			w.blue.Run()
			w.blue.Exec("d", "INSERT INTO large VALUES (50000, 1, 'after the restart'); INSERT INTO parts VALUES (50000, 1)")
			w.goes("the cutover's commit", func() bool { return w.git.commits[steps.CommitCutover] })
			w.same()
			if v := w.u.Status.Verification; v == nil || len(v.Mismatches) > 0 || v.Rows != 5001+40000+5001+100+50 {
				t.Errorf("verification: %+v", v)
			}
			if c := w.u.Status.Copy; c.TablesCopied != c.TablesTotal || c.IndexesBuilt != c.IndexesTotal || c.IndexesTotal < 5 {
				t.Errorf("progress: %+v", c)
			}
			if n := w.green.Query("d", "SELECT count(*) FROM pg_class WHERE relnamespace = 'gitover'::regnamespace AND relname LIKE 'copy%'"); n != "0" {
				t.Error("the record of the copy is left")
			}
			if n := w.blue.Query("d", "SELECT count(*) FROM pg_replication_slots"); n != "1" {
				t.Errorf("%s slots on blue", n)
			}
		})
	}
}

// TestAParallelCopyThatIsTakenBackLeavesNothing: neither Job nor slot, publication nor record, and its pod ends.
func TestAParallelCopyThatIsTakenBackLeavesNothing(t *testing.T) {
	w := aCopy(t, 15, 17)
	w.goes("the copy is at work", w.halfway)
	w.seen.facts.Wanted = "15"
	w.goes("its Job is gone", func() bool { return len(w.pods) == 0 && w.jobsOf("gitover-copy-") == 0 })
	w.goes("green's removal", func() bool { return w.git.commits[steps.CommitRemoveGreen] })
	if n := w.blue.Query("d", "SELECT (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_publication)"); n != "0" {
		t.Errorf("left on blue: %s slots and publications", n)
	}
	if n := w.green.Query("d", "SELECT count(*) FROM pg_namespace WHERE nspname = 'gitover'"); n != "0" {
		t.Error("left on green: Gitover's schema")
	}
}

// TestAFailedParallelCopyIsToldAndContinuesWhenItIsAskedTo.
func TestAFailedParallelCopyIsToldAndContinuesWhenItIsAskedTo(t *testing.T) {
	w := aCopy(t, 15, 17)
	w.goes("the copy is at work", w.halfway)
	first := w.copyJob()
	w.killed(first)
	w.green.Exec("d", "ALTER TABLE large ADD CHECK (n > 5) NOT VALID")
	w.goes("its failure", func() bool { return w.look().Reason == v1alpha1.ReasonJobFailed })
	if o := w.look(); !o.Stalled || !strings.Contains(o.Message, "spec.retry") {
		t.Errorf("%+v", o)
	}
	w.green.Exec("d", "ALTER TABLE large DROP CONSTRAINT large_n_check")
	w.u.Status.Attempt++
	w.goes("another Job", func() bool { return w.copyJob() != "" && w.copyJob() != first })
	w.goes("the cutover's commit", func() bool { return w.git.commits[steps.CommitCutover] })
	w.same()
}

// TestALostSlotEndsAParallelCopy, and another attempt begins again with another slot.
func TestALostSlotEndsAParallelCopy(t *testing.T) {
	w := aCopy(t, 15, 17)
	w.goes("the copy is at work", w.halfway)
	first := w.copyJob()
	w.blue.Exec("", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT temporary")
	w.killed(first)
	w.goes("its failure", func() bool { return w.look().Reason == v1alpha1.ReasonJobFailed })
	if n := w.blue.Query("", "SELECT count(*) FROM pg_replication_slots"); n != "0" {
		t.Errorf("the copy made %s slots", n)
	}
	w.blue.Exec("d", "DELETE FROM large WHERE id > 39000")
	w.u.Status.Attempt++
	w.goes("the cutover's commit", func() bool { return w.git.commits[steps.CommitCutover] })
	w.same()
}

// TestAParallelCopyKeepsThePaceOfTheSpec, which may change while it runs.
func TestAParallelCopyKeepsThePaceOfTheSpec(t *testing.T) {
	w := aCopy(t, 15, 17)
	w.goes("the copy is at work", w.halfway)
	w.u.Spec.Copy.Paused = ptr.To(true)
	w.goes("the pause", func() bool {
		o := w.look()
		return o.Reason == v1alpha1.ReasonCopyPaused && strings.Contains(o.Message, "spec.copy.paused")
	})
	paused := func() string { return w.green.Query("d", "SELECT paused <> '' FROM gitover.copy_run") }
	if paused() != "t" {
		t.Error("the copy isn't told")
	}
	var at int64
	w.goes("nothing moves", func() bool {
		before := at
		at = w.u.Status.Copy.BytesCopied
		time.Sleep(1500 * time.Millisecond) // longer than the copy takes to note its progress
		return at == before
	})
	w.u.Spec.Copy.Paused, w.u.Spec.Copy.BytesPerSecond = nil, nil
	w.goes("the cutover's commit", func() bool { return w.git.commits[steps.CommitCutover] })
	w.same()
}

// TestAParallelCopyWaitsBeforeItFillsItsVolume, and goes on by itself once there is room.
func TestAParallelCopyWaitsBeforeItFillsItsVolume(t *testing.T) {
	w := aCopy(t, 15, 17)
	w.goes("the copy is at work", w.halfway)
	kept, err := disk.UsedBy(t.Context(), w.green.Server)
	w.must(err)
	claim := w.onVolume("orders-17", kept.Data+kept.WAL+10<<20)
	w.goes("it waits", func() bool {
		o := w.look()
		return o.Reason == v1alpha1.ReasonDiskLow && strings.Contains(o.Message, "the copy waits: orders-17 has ") && strings.Contains(o.Message, "free on volume "+claim.Name)
	})
	w.goes("it is told", func() bool {
		return w.green.Query("d", "SELECT paused FROM gitover.copy_run") == "no room: the volume "+claim.Name+" is nearly full"
	})
	claim.Status.Capacity[corev1.ResourceStorage] = resource.MustParse("100Gi")
	w.must(w.Status().Update(t.Context(), claim))
	w.u.Spec.Copy.BytesPerSecond = nil
	w.goes("the cutover's commit", func() bool { return w.git.commits[steps.CommitCutover] })
	w.same()
}

// onVolume has a pod of an instance, with a claim of so many bytes.
func (w *copying) onVolume(instance string, bytes int64) *corev1.PersistentVolumeClaim {
	w.Helper()
	meta := metav1.ObjectMeta{Namespace: w.namespace, Name: "data-" + instance + "-0", Labels: map[string]string{v1alpha1.UpgradeLabel: "orders", v1alpha1.InstanceLabel: instance}}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: meta}
	size := corev1.ResourceList{corev1.ResourceStorage: *resource.NewQuantity(bytes, resource.BinarySI)}
	claim.Spec.AccessModes, claim.Spec.Resources.Requests = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, size
	claim.Status.Phase, claim.Status.Capacity = corev1.ClaimBound, size.DeepCopy()
	w.createWithStatus(claim)
	pod := &corev1.Pod{ObjectMeta: *meta.DeepCopy()}
	pod.Spec = w.statefulSet(instance[strings.Index(instance, "-")+1:]).Spec.Template.Spec
	pod.Spec.ServiceAccountName = ""
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: pod.Spec.Containers[0].VolumeMounts[0].Name,
		VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name}}})
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	w.createWithStatus(pod)
	return claim
}

// TestAPgUpgradeThatIsDeletedDuringAParallelCopyEndsItsJobFirst, which uses what is removed then.
func TestAPgUpgradeThatIsDeletedDuringAParallelCopyEndsItsJobFirst(t *testing.T) {
	w := aCopy(t, 15, 17)
	w.goes("the copy is at work", w.halfway)
	w.r.remove = func(context.Context, postgres.Server, postgres.Names) ([]string, error) {
		if w.jobsOf("gitover-copy-") > 0 || len(w.pods) > 0 {
			t.Error("slots are removed under the copy")
		}
		return nil, nil
	}
	w.u.Finalizers, w.u.DeletionTimestamp = []string{v1alpha1.Finalizer}, ptr.To(metav1.Now())
	eventually(t, time.Minute, func() bool {
		_, err := w.r.finalize(t.Context(), w.u)
		w.must(err)
		w.kubelet()
		return len(w.u.Finalizers) == 0
	}, func() string { return conditions.GetMessage(w.u, v1alpha1.ReadyCondition) })
}

// TestWhatASpecCanNotSayOfAParallelCopyIsRefused, with words for what to do.
func TestWhatASpecCanNotSayOfAParallelCopyIsRefused(t *testing.T) {
	w := aTeam(t)
	for name, c := range map[string]struct {
		says   string
		change func(*v1alpha1.CopySpec)
	}{
		"slow":     {"from 1Mi on", func(c *v1alpha1.CopySpec) { c.BytesPerSecond = ptr.To(resource.MustParse("1Ki")) }},
		"number":   {"from 1Mi on", func(c *v1alpha1.CopySpec) { c.BytesPerSecond = ptr.To(resource.MustParse("5")) }},
		"workers":  {"greater than or equal to 1", func(c *v1alpha1.CopySpec) { c.Workers = ptr.To(int32(0)) }},
		"logical":  {"set copy.method: Parallel", func(c *v1alpha1.CopySpec) { c.Method, c.Workers = v1alpha1.CopyLogical, ptr.To(int32(8)) }},
		"latency":  {"from 1ms on", func(c *v1alpha1.CopySpec) { c.CommitLatency = &metav1.Duration{Duration: time.Microsecond} }},
		"physical": {"set copy.method: Parallel", func(c *v1alpha1.CopySpec) { c.Method, c.Paused = v1alpha1.CopyPhysical, ptr.To(true) }},
		"good": {"", func(c *v1alpha1.CopySpec) {
			c.Workers, c.BytesPerSecond = ptr.To(int32(8)), ptr.To(resource.MustParse("100Mi"))
		}},
	} {
		u := w.upgrade(name)
		u.Spec.Copy.Method = v1alpha1.CopyParallel
		c.change(&u.Spec.Copy)
		err := w.Create(t.Context(), u)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestACopyNeedsGitoversOwnImage: that of the controller's pod, or what its flag says.
func TestACopyNeedsGitoversOwnImage(t *testing.T) {
	w := aTeam(t)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "gitover-controller-x"}}
	pod.Spec.Containers = []corev1.Container{{Name: "proxy", Image: "mesh"}, {Name: "controller", Image: "gitover@sha256:1"}}
	w.create(pod)
	for _, c := range []struct {
		self       cluster.Self
		want, says string
	}{
		{cluster.Self{Namespace: w.namespace, Pod: pod.Name}, "gitover@sha256:1", ""},
		{cluster.Self{Namespace: w.namespace, Pod: pod.Name, Image: "mirror/gitover"}, "mirror/gitover", ""},
		{cluster.Self{Pod: "laptop"}, "", "--copy-image"},
		{cluster.Self{Namespace: w.namespace, Pod: "other"}, "", "--copy-image"},
	} {
		got, err := (&cluster.Port{Client: w.Client, Uncached: w.Client, Self: c.self}).OwnImage(t.Context())
		if got != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %q, %v", c.self, got, err)
		}
	}
}

// TestWALThatACopyKeepsIsToldBeforeItIsTooMuch: above the limit of the spec, and before blue drops it; the copy goes on.
func TestWALThatACopyKeepsIsToldBeforeItIsTooMuch(t *testing.T) {
	w := aCopy(t, 15, 17)
	w.goes("the copy is at work", w.halfway)
	w.u.Spec.Copy.Paused = ptr.To(true)
	w.u.Spec.Limits.RetainedWAL = ptr.To(resource.MustParse("1Mi"))
	w.blue.Exec("d", "CREATE TABLE noise AS SELECT repeat('x', 1000) FROM generate_series(1, 5000)")
	w.goes("the limit is told", func() bool { o := w.look(); return o.Reason == v1alpha1.ReasonRetainedWAL && o.Stalled })
	w.u.Spec.Limits.RetainedWAL = nil
	w.blue.Exec("", "ALTER SYSTEM SET max_slot_wal_keep_size = '64MB'")
	w.blue.Exec("", "SELECT pg_reload_conf()")
	for range 12 {
		w.blue.Exec("d", "TRUNCATE noise; INSERT INTO noise SELECT repeat('x', 1000) FROM generate_series(1, 4000); SELECT pg_switch_wal()")
		if o := w.look(); o.Reason == v1alpha1.ReasonRetainedWAL {
			break
		}
	}
	if o := w.look(); o.Reason != v1alpha1.ReasonRetainedWAL || !strings.Contains(o.Message, "max_slot_wal_keep_size") {
		t.Fatalf("%+v", o)
	}
	w.blue.Exec("", "ALTER SYSTEM RESET max_slot_wal_keep_size")
	w.blue.Exec("", "SELECT pg_reload_conf()")
	w.blue.Exec("d", "DROP TABLE noise")
	w.u.Spec.Copy.Paused, w.u.Spec.Copy.BytesPerSecond = nil, nil
	w.goes("the cutover's commit", func() bool { return w.git.commits[steps.CommitCutover] })
	w.same()
}

// TestAPodOfACopyThatDiesIsToldForAWhile, and the next one continues.
func TestAPodOfACopyThatDiesIsToldForAWhile(t *testing.T) {
	w := aCopy(t, 15, 17)
	w.goes("the copy is at work", w.halfway)
	w.must(w.pods[w.copyJob()].Process.Kill())
	w.goes("it is told", func() bool {
		o := w.look()
		return o.Reason == v1alpha1.ReasonCopyInterrupted && strings.Contains(o.Message, "1 so far, and the next one continues") && !o.Stalled
	})
	if c := w.u.Status.Copy; c.Failures != 1 || c.FailedAt == nil {
		t.Errorf("%+v", c)
	}
	w.goes("the copy's end", func() bool { return w.u.Status.Step != steps.CopyData })
}
