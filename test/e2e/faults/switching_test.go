package faults

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/cluster/chaos"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
)

// afterLimit is longer than any hold may last.
const afterLimit = 12 * time.Second

func TestFaultsAroundASwitch(t *testing.T) {
	t.Parallel()
	d := begin(t, testenv.AppOptions{Namespace: "switching", KeepWAL: true})
	d.merge()
	d.cutOver()
	d.suffer([]fault{
		{when: asked, name: "the controller can't reach one pooler", inject: cut((*database).controller, (*database).pooler), spares: true,
			seen: proxySays(v1alpha1.ReasonSwitchWaiting, "orders-pooler", "can't be reached")},
		{when: asked, name: "the two servers can't reach each other", inject: cut(active, standby), spares: true,
			seen: proxySays(v1alpha1.ReasonSwitchWaiting, "did not reach orders-17")},
		{when: inSwitch, name: "a pooler's pod is gone, and another comes up", inject: replace((*database).pooler)},
		{when: inSwitch, name: "a pooler's agent is killed", inject: kill((*database).pooler, "gitover-agent"), spares: true},
		{when: inSwitch, name: "the controller can't reach one pooler", inject: cut((*database).controller, (*database).pooler), lasts: afterLimit, spares: true},
		{when: inSwitch, name: "the controller can't reach the old server", inject: cut((*database).controller, active), lasts: afterLimit, spares: true},
		{when: inSwitch, name: "the controller can't reach the new server", inject: cut((*database).controller, standby), lasts: afterLimit, spares: true},
		{when: inSwitch, name: "the controller can't reach the API server", inject: cutFromAPIServer, lasts: afterLimit, spares: true},
		{when: inSwitch, name: "the old server is killed", inject: kill(active, "postgres")},
		{when: inSwitch, name: "the new server is killed", inject: kill(standby, "postgres")},
	})
	d.prove()
}

func TestFaultsDuringTheSoak(t *testing.T) {
	t.Parallel()
	d := begin(t, testenv.AppOptions{Namespace: "soaking", KeepWAL: true})
	d.merge()
	d.cutOver()
	d.suffer([]fault{
		{when: soaking, name: "the server that serves is gone, and comes back on its volume", inject: remove(active)},
		{when: soaking, name: "the server that follows is gone, and comes back on its volume", inject: remove(standby)},
		{when: soaking, name: "the controller can't reach the server that serves", inject: cut((*database).controller, active), spares: true,
			seen: proxySays(v1alpha1.ReasonServerUnreachable, "orders-")},
		{when: soaking, name: "the controller can't reach the server that follows", inject: cut((*database).controller, standby), spares: true,
			seen: rollbackPathSays(v1alpha1.ReasonServerUnreachable, "can't tell whether", "orders-")},
		{when: soaking, name: "the controller can't reach one pooler", inject: cut((*database).controller, (*database).pooler), spares: true,
			seen: proxySays(v1alpha1.ReasonPoolerUnreachable, "orders-pooler", "can't be reached")},
	})
	d.twoControllersAtOnce()
	d.loseTheRollbackPath()
	d.prove()
}

// loseTheRollbackPath: somebody drops a slot, since it keeps WAL. A revert would lose rows now, so
// none is possible, and people end the soak by a commit.
func (d *database) loseTheRollbackPath() {
	d.t.Helper()
	d.t.Log("— the slot of the rollback path is dropped")
	d.must(d.app.Run(d.t.Context(), d.active, testenv.Databases[0], `DO $$ DECLARE s record; BEGIN
		SELECT slot_name INTO STRICT s FROM pg_replication_slots WHERE database = current_database();
		LOOP
			PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = s.slot_name AND active;
			BEGIN
				PERFORM pg_drop_replication_slot(s.slot_name);
				EXIT;
			EXCEPTION WHEN object_in_use THEN -- its reader came back
			END;
		END LOOP;
	END $$`))
	d.sees(rollbackPathSays(v1alpha1.ReasonReplicationBroken, d.standby+" does not follow", "is lost"))
	_, err := d.app.Commit(d.t.Context(), "Keep PostgreSQL 17", fleet.Replace(d.app.Dir+"/upgrade.yaml", "    finalize: Automatic\n", "    finalize: Automatic\n    finalizedVersion: \"17\"\n"))
	d.must(err)
	d.must(d.app.AwaitUpgrade(d.t.Context(), patience, "the soak is ended", func(u *v1alpha1.PgUpgrade) bool {
		return u.Status.Workflow == "" && len(u.Status.History) > 0 && u.Status.History[0].Outcome == "Finalized"
	}))
	left, err := d.app.Leftovers(d.t.Context(), d.active)
	d.must(err)
	if len(left) > 0 {
		d.t.Errorf("left on %s: %v", d.active, left)
	}
}

// twoControllersAtOnce is a mistake in an installation: both work, and neither knows of the
// other.
func (d *database) twoControllersAtOnce() {
	d.t.Helper()
	d.t.Log("— two controllers at once, without leader election")
	d.must(d.app.InstallNamespaced(d.t.Context(), d.app.Namespace, `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: `+d.app.Namespace+`
resources:
- BASE
replicas:
- {name: gitover-controller, count: 2}
patches:
- target: {kind: Deployment, name: gitover-controller}
  patch: |
    - {op: replace, path: /spec/template/spec/containers/0/args/1, value: --leader-elect=false}
`))
	for range 2 {
		d.ask()
		d.switched()
	}
}

// victim names a pod of a database.
type victim = func(*database) string

func active(d *database) string  { return d.active + "-0" }
func standby(d *database) string { return d.standby + "-0" }

// cut two pods off from each other.
func cut(one, other victim) func(*database) chaos.Heal {
	return func(d *database) chaos.Heal {
		heal, err := chaos.CutBetween(d.t.Context(), stage, d.app.Namespace, one(d), d.app.Namespace, other(d))
		d.must(err)
		return heal
	}
}

func cutFromAPIServer(d *database) chaos.Heal {
	heal, err := chaos.CutFromAPIServer(d.t.Context(), stage, d.app.Namespace, d.controller())
	d.must(err)
	return heal
}

// kill a container; the kubelet starts it again, the first time at once.
func kill(who victim, container string) func(*database) chaos.Heal {
	return func(d *database) chaos.Heal {
		err := chaos.KillContainer(d.t.Context(), stage, d.app.Namespace, who(d), container)
		if errors.Is(err, chaos.ErrNoContainer) {
			d.t.Errorf("%s did not run", who(d))
		} else {
			d.must(err)
		}
		return nil
	}
}

// replace a pooler's pod, without a goodbye.
func replace(who victim) func(*database) chaos.Heal {
	return func(d *database) chaos.Heal {
		d.must(chaos.DeletePod(d.t.Context(), stage, d.app.Namespace, who(d)))
		return nil
	}
}

// remove a server's pod: no other may open its volume before it has ended, so it gets the
// shortest goodbye there is. It is healed when another pod is ready.
func remove(who victim) func(*database) chaos.Heal {
	return func(d *database) chaos.Heal {
		gone, pod := &corev1.Pod{}, client.ObjectKey{Namespace: d.app.Namespace, Name: who(d)}
		d.must(d.app.Client.Get(d.t.Context(), pod, gone))
		d.must(d.app.Client.Delete(d.t.Context(), gone, client.GracePeriodSeconds(1)))
		return func(ctx context.Context) error {
			return d.app.Await(ctx, patience, pod.String()+" is back", func(ctx context.Context) (bool, string, error) {
				var now corev1.Pod
				err := d.app.Client.Get(ctx, pod, &now)
				if err != nil || now.UID == gone.UID {
					return false, "not yet", client.IgnoreNotFound(err)
				}
				ready := slices.ContainsFunc(now.Status.Conditions, func(c corev1.PodCondition) bool {
					return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
				})
				return ready, string(now.Status.Phase), nil
			})
		}
	}
}
