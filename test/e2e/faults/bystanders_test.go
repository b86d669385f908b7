package faults

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/cluster/chaos"
	"github.com/gitover/gitover/test/cluster/supervisor"
	"github.com/gitover/gitover/test/e2e/testenv"
)

// rollbackPromise is how soon traffic moves once Flux has applied the revert.
const rollbackPromise = 10 * time.Second

// TestARollbackWaitsForNoBystander: it needs the two servers, the poolers that can be reached, and what Flux has applied.
// Each bystander is dead before Flux applies the revert, alone and with the others.
func TestARollbackWaitsForNoBystander(t *testing.T) {
	const repository = "bystanders"
	if err := stage.Git.CreateRepository(t.Context(), repository); err != nil {
		t.Fatal(err)
	}
	d := begin(t, testenv.AppOptions{Namespace: repository, KeepWAL: true, Git: testenv.StageOf(stage, "../../..").OwnGit(repository)})
	d.merge()
	d.cutOver()
	for _, b := range []struct {
		dead string
		kill func(*database) chaos.Heal
	}{
		{"nobody", func(*database) chaos.Heal { return func(context.Context) error { return nil } }},
		{"the Git server", gitServer},
		{"Gitover's credentials for Git", credentials},
		{"a pooler's node", poolersNode},
		{"all of these", all(gitServer, credentials, poolersNode)},
	} {
		before := d.asked
		d.suspend(&kustomizev1.Kustomization{}, testenv.Name, true)
		d.ask()
		if d.asked == before {
			t.Fatal("nothing was asked for")
		}
		d.fetched(d.asked)
		heal := d.inject(b.kill(d), nil)
		d.suspend(&kustomizev1.Kustomization{}, testenv.Name, false)
		d.must(d.app.AwaitProxy(t.Context(), patience, "Flux applies the revert", func(p *v1alpha1.PgProxy) bool { return p.Spec.Target == d.standby }))
		applied := time.Now()
		d.must(d.app.AwaitProxy(t.Context(), patience, d.standby+" serves", func(p *v1alpha1.PgProxy) bool { return p.Status.Active == d.standby }))
		took := time.Since(applied)
		worst.note("from applied to switched, dead: "+b.dead, took)
		t.Logf("dead: %s: %s serves %v after Flux applied the revert", b.dead, d.standby, took.Round(time.Millisecond))
		if took > rollbackPromise {
			t.Errorf("dead: %s: it took %v", b.dead, took)
		}
		d.must(heal(t.Context()))
		d.switched()
	}
	d.prove()
}

func all(kills ...func(*database) chaos.Heal) func(*database) chaos.Heal {
	return func(d *database) chaos.Heal {
		var heals []chaos.Heal
		for _, kill := range kills {
			heals = append(heals, d.inject(kill(d), nil))
		}
		return func(ctx context.Context) error {
			var errs []error
			for _, heal := range slices.Backward(heals) { // a kubelet first, for what the others start
				errs = append(errs, heal(ctx))
			}
			return errors.Join(errs...)
		}
	}
}

func gitServer(d *database) chaos.Heal {
	heal, err := chaos.StopGit(d.t.Context(), stage)
	d.must(err)
	return heal
}

func credentials(d *database) chaos.Heal {
	set := func(ctx context.Context, password string) error {
		return d.app.SetSecret(ctx, "fleet-push", map[string]string{"username": d.app.Git.Username, "password": password})
	}
	d.must(set(d.t.Context(), "taken away"))
	return func(ctx context.Context) error { return set(ctx, d.app.Git.Password) }
}

// poolersNode falls silent: its kubelet, and everything in a pooler's pod. Kubernetes says so of the pod after 50
// seconds, here at once. The stage has one node, whose other pods would follow after that time.
func poolersNode(d *database) chaos.Heal {
	ctx := d.t.Context()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: d.app.Namespace, Name: d.pooler()}}
	kubelet, err := chaos.PauseComponent(ctx, stage, supervisor.Kubelet)
	d.must(err)
	containers, err := chaos.PauseContainer(ctx, stage, d.app.Namespace, pod.Name, "")
	if err == nil {
		err = d.app.Client.Status().Patch(ctx, pod, client.RawPatch(types.StrategicMergePatchType,
			[]byte(`{"status":{"conditions":[{"type":"Ready","status":"False"},{"type":"ContainersReady","status":"True"}]}}`)))
	}
	heal := func(ctx context.Context) error {
		if containers == nil {
			return kubelet(ctx)
		}
		return errors.Join(containers(ctx), kubelet(ctx))
	}
	if err != nil {
		d.must(errors.Join(err, heal(context.WithoutCancel(ctx))))
	}
	return heal
}
