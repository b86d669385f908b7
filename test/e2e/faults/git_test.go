package faults

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/cluster/chaos"
	"github.com/gitover/gitover/test/cluster/supervisor"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
)

// What all databases share fails: Git server, Flux, API server. Each fault meets the step
// that needs what fails.
func TestFaultsOfGitFluxAndTheAPIServer(t *testing.T) {
	const repository = "shared"
	if err := stage.Git.CreateRepository(t.Context(), repository); err != nil {
		t.Fatal(err)
	}
	d := begin(t, testenv.AppOptions{Namespace: "shared", KeepWAL: true, Git: testenv.StageOf(stage, "../../..").OwnGit(repository)})

	t.Log("— the Git server answers 500 when the upgrade begins")
	d.suspend(&kustomizev1.Kustomization{}, testenv.Name, true)
	merge := d.merge()
	d.fetched(merge)
	d.inject(chaos.FaultGit(t.Context(), stage, "status 500"))
	d.suspend(&kustomizev1.Kustomization{}, testenv.Name, false)
	d.sees(upgradeSays(v1alpha1.ReasonGitUnreachable, "500", "another attempt follows"))

	t.Log("— the answer to a push that the Git server accepted gets lost")
	heal := d.inject(chaos.FaultGit(t.Context(), stage, "drop-answer")) // instead of 500
	d.awaitStep("AwaitGreen")
	d.must(heal(t.Context()))

	t.Log("— history is rewritten upstream: every commit has another name")
	d.awaitStep("Approve")
	green := d.commitOf("CommitGreen").SHA
	d.rewriteHistory()
	if now := d.commitOf("CommitGreen").SHA; now == green {
		t.Fatal("history was not rewritten")
	}

	t.Log("— the Git server is slow, and others push all the time, when the cutover is to be committed")
	heal = d.inject(chaos.FaultGit(t.Context(), stage, "delay 500ms"))
	stop := d.othersPush("Approve 17", approval(d))
	d.must(d.app.AwaitUpgrade(t.Context(), patience, "the cutover is committed", func(u *v1alpha1.PgUpgrade) bool {
		return u.Status.Step == "AwaitSwitch" || u.Status.Step == "Soak"
	}))
	others := stop()
	d.must(heal(t.Context()))
	d.hasAll(others)
	d.switched()

	t.Log("— the Git server is down when a rollback is to be committed")
	d.suspend(&kustomizev1.Kustomization{}, testenv.Name, true)
	revert, err := d.app.Revert(t.Context(), merge)
	d.must(err)
	d.fetched(revert)
	d.suspend(&sourcev1.GitRepository{}, "fleet", true)
	heal = d.inject(chaos.StopGit(t.Context(), stage))
	d.suspend(&kustomizev1.Kustomization{}, testenv.Name, false)
	d.sees(upgradeSays(v1alpha1.ReasonGitUnreachable, "another attempt follows"))

	t.Log("— Flux is down, and both of its objects are suspended, one after the other, when it is to be applied")
	flux := d.inject(chaos.StopFlux(t.Context(), stage))
	d.must(heal(t.Context()))
	d.sees(upgradeSays(v1alpha1.ReasonFluxSuspended, "flux resume source git fleet"))
	d.suspend(&sourcev1.GitRepository{}, "fleet", false)
	d.sees(upgradeSays(v1alpha1.ReasonFluxPending, "hasn't fetched commit"))
	d.suspend(&kustomizev1.Kustomization{}, testenv.Name, true)
	d.must(flux(t.Context()))
	d.sees(upgradeSays(v1alpha1.ReasonFluxSuspended, "flux resume kustomization orders"))
	before := d.lastSwitch()

	t.Log("— the API server is stopped in the switch, for longer than a hold may last")
	d.suspend(&kustomizev1.Kustomization{}, testenv.Name, false)
	d.awaitSwitch(before)
	begun := time.Now()
	heal = d.inject(chaos.StopComponent(t.Context(), stage, supervisor.APIServer))
	select {
	case <-time.After(afterLimit):
	case <-t.Context().Done():
	}
	d.must(heal(context.WithoutCancel(t.Context())))
	d.awaitAPIServer()
	d.active, d.standby = d.standby, d.active
	d.must(d.app.AwaitActive(t.Context(), patience, d.active))
	waited := d.traffic.Worst(begun)
	worst.note("in a switch: the API server is stopped", waited)
	if waited > holdLimit {
		t.Errorf("a client waited for %v while the API server was stopped", waited)
	}
	d.must(d.app.AwaitUpgrade(t.Context(), patience, "the upgrade is taken back", func(u *v1alpha1.PgUpgrade) bool {
		return u.Status.Workflow == "" && len(u.Status.History) > 0 && u.Status.History[0].Outcome == "RolledBack"
	}))
	d.prove()
}

// inject remembers to heal, also when the story ends early; healing twice is harmless.
func (d *database) inject(heal chaos.Heal, err error) chaos.Heal {
	d.t.Helper()
	d.must(err)
	d.t.Cleanup(func() {
		if err := heal(context.Background()); err != nil {
			d.t.Error(err)
		}
	})
	return heal
}

// suspend or resume one of Flux's objects, as `flux suspend` does.
func (d *database) suspend(object client.Object, name string, suspend bool) {
	d.t.Helper()
	object.SetNamespace(d.app.Namespace)
	object.SetName(name)
	patch := fmt.Appendf(nil, `{"spec":{"suspend":%t}}`, suspend)
	d.must(d.app.Client.Patch(d.t.Context(), object, client.RawPatch(types.MergePatchType, patch), client.FieldOwner("flux")))
}

// fetched waits until Flux has a commit, which it may not apply yet.
func (d *database) fetched(sha string) {
	d.t.Helper()
	d.must(d.app.Await(d.t.Context(), patience, "Flux fetches the commit", func(ctx context.Context) (bool, string, error) {
		var r sourcev1.GitRepository
		err := d.app.Client.Get(ctx, client.ObjectKey{Namespace: d.app.Namespace, Name: "fleet"}, &r)
		if err != nil || r.Status.Artifact == nil {
			return false, "", err
		}
		return strings.Contains(r.Status.Artifact.Revision, sha), r.Status.Artifact.Revision, nil
	}))
}

func (d *database) awaitAPIServer() {
	d.t.Helper()
	d.must(d.app.Await(d.t.Context(), time.Minute, "the API server answers", func(ctx context.Context) (bool, string, error) {
		_, err := d.app.Upgrade(ctx)
		if err != nil {
			return false, err.Error(), nil
		}
		return true, "yes", nil
	}))
}

// rewriteHistory gives each commit of the branch another name, and forces the result upon
// the server.
func (d *database) rewriteHistory() {
	d.t.Helper()
	d.must(d.app.Repository.Rewrite(d.t.Context()))
	d.must(d.app.TellFlux(d.t.Context()))
}

// othersPush to the same branch until stopped, which returns what they committed. Their second
// commit is this change: whoever waits for it meets others who push all the time.
func (d *database) othersPush(message string, change fleet.Edit) (stop func() []string) {
	d.t.Helper()
	other, err := fleet.Clone(d.t.Context(), d.app.Git, d.t.TempDir(), fleet.Person{Name: "Grace Busy", Email: "grace@example.com"})
	d.must(err)
	ctx, cancel := context.WithCancel(d.t.Context())
	type result struct {
		subjects []string
		err      error
	}
	ended := make(chan result, 1)
	go func() {
		var r result
		for n := 0; ctx.Err() == nil; n++ {
			subject := fmt.Sprintf("Note %d, %v", n, time.Now())
			edit := fleet.Write("notes", subject+"\n")
			if n == 1 {
				subject, edit = message, change
			}
			_, err := other.Commit(context.WithoutCancel(ctx), subject, edit)
			if n == 1 && err == nil {
				err = d.app.TellFlux(context.WithoutCancel(ctx))
			}
			if err != nil {
				r.err = err
				break
			}
			r.subjects = append(r.subjects, subject)
		}
		ended <- r
	}()
	return func() []string {
		cancel()
		r := <-ended
		d.must(r.err)
		return r.subjects
	}
}

// hasAll: nobody's commit was pushed away.
func (d *database) hasAll(subjects []string) {
	d.t.Helper()
	log, err := d.app.Repository.Log(d.t.Context(), "")
	d.must(err)
	there := map[string]bool{}
	for _, c := range log {
		there[c.Subject] = true
	}
	for _, s := range subjects {
		if !there[s] {
			d.t.Errorf("%q was pushed away", s)
		}
	}
	if len(subjects) < 3 {
		d.t.Error("hardly anybody else pushed")
	}
	d.t.Logf("%d commits of others meanwhile", len(subjects))
}
