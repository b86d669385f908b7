package controllers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/proxy"
)

// steady looks after a proxy whose traffic is where Git wants it: the databases that
// poolers know by name, whether each is in step, and whether a revert would work.
func (r *ProxyReconciler) steady(ctx context.Context, x *pair) outcome {
	p := x.proxy
	if err := r.activate(ctx, x, p.Status.Active); err != nil {
		return outcomeOf(err, v1alpha1.ReasonActive)
	}
	server, err := r.server(ctx, x, p.Status.Active)
	if err != nil {
		return outcomeOf(err, v1alpha1.ReasonActive)
	}
	databases, err := r.databases(ctx, x, server)
	if err != nil {
		return outcomeOf(err, v1alpha1.ReasonServerUnreachable)
	}
	p.Status.Databases = databases
	if o := r.letsIn(ctx, x, server); o != nil {
		return *o
	}
	if err := r.wayBack(ctx, x); err != nil {
		return outcomeOf(err, v1alpha1.ReasonServerUnreachable)
	}
	trouble, err := r.lookAtPoolers(ctx, x)
	if err != nil {
		return outcomeOf(err, v1alpha1.ReasonPoolerRefused)
	}
	if trouble != nil {
		return *trouble
	}
	return outcome{ready: true, reason: v1alpha1.ReasonActive, message: fmt.Sprintf("%s serves through %d poolers", p.Status.Active, p.Status.Poolers.Total)}
}

// lookAtPoolers counts poolers in step and tells what is wrong with the others.
func (r *ProxyReconciler) lookAtPoolers(ctx context.Context, x *pair) (*outcome, error) {
	p := x.proxy
	poolers, err := r.poolers(ctx, x)
	if err != nil {
		return nil, err
	}
	count := &v1alpha1.PoolerCount{Total: int32(len(poolers))}
	var trouble []string
	reason := v1alpha1.ReasonPoolerUnreachable
	for _, pooler := range poolers {
		asking, cancel := context.WithTimeout(ctx, 3*time.Second)
		state, err := pooler.State(asking)
		cancel()
		var silent *proxy.Unreachable
		switch {
		case errors.As(err, &silent):
			trouble = append(trouble, err.Error())
		case err != nil:
			reason = v1alpha1.ReasonPoolerRefused
			trouble = append(trouble, err.Error())
		case state.Target.Instance != p.Status.Active:
			reason = v1alpha1.ReasonPoolerRefused
			trouble = append(trouble, fmt.Sprintf("pooler %s leads to %q", pooler.Name(), state.Target.Instance))
		case state.Paused:
			reason = v1alpha1.ReasonPoolerRefused
			trouble = append(trouble, fmt.Sprintf("pooler %s is paused, and no switch is in progress: its clients wait until somebody says RESUME in PgBouncer's console", pooler.Name()))
		case state.Others != "":
			reason = v1alpha1.ReasonPoolerRefused
			trouble = append(trouble, state.ManyProcesses(pooler.Name()))
		default:
			count.InStep++
		}
	}
	count.Human = fmt.Sprintf("%d/%d", count.InStep, count.Total)
	p.Status.Poolers = count
	switch {
	case count.Total == 0:
		return &outcome{reason: v1alpha1.ReasonNoPoolers, message: "no running pod matches spec.pooler.selector", again: retrySoon}, nil
	case len(trouble) > 0:
		return &outcome{reason: reason, message: strings.Join(trouble, "; "), again: retrySoon}, nil
	}
	return nil, nil
}

// followTimeout bounds a look at the way back, which is well below a second a database where servers
// answer.
const followTimeout = 30 * time.Second

// wayBack keeps RollbackReady true to the reverse replication. Its error is one of the
// server that clients use.
func (r *ProxyReconciler) wayBack(ctx context.Context, x *pair) error {
	p, s := x.proxy, x.upgrade.Status
	soaking := (s.Workflow == steps.Upgrade && s.Step == steps.Soak) || s.Workflow == steps.RolledBack
	other := s.From
	if p.Status.Active == s.From {
		other = s.To
	}
	if !soaking || other == "" {
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonNoWayBack, "no other instance follows %s", p.Status.Active)
		return nil
	}
	active, err := serverOf(ctx, r.Uncached, x.upgrade, p.Status.Active)
	if err != nil {
		return err
	}
	follower, err := serverOf(ctx, r.Uncached, x.upgrade, other)
	if err != nil {
		return err
	}
	names := postgres.Names{UID: string(x.upgrade.UID)}
	unknown := func(err error) {
		if ctx.Err() != nil { // not the servers' fault
			return
		}
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, meaningOf(err, v1alpha1.ReasonReplicationBroken).reason,
			"can't tell whether %s follows: %v", other, err)
	}
	looking, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	replaced, err := steps.Replaced(looking, steps.KnownServers(s, p), x.upgrade.Spec.Acknowledge, active, follower)
	if err != nil {
		unknown(err)
		return nil
	}
	if replaced != "" {
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonReplicationBroken,
			"%s; rows that it had may be missing, so they are compared before a revert counts", replaced)
		return nil
	}
	for _, db := range s.Databases {
		slot, err := postgres.SlotState(looking, active, names.Slot(db, other))
		if err != nil {
			unknown(err)
			return err
		}
		trouble, err := follows(looking, &r.memory, active, follower, names, db, slot)
		if err != nil {
			unknown(err)
			return nil
		}
		if trouble != "" {
			conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonReplicationBroken, "%s does not follow: %s", other, trouble)
			return nil
		}
	}
	left, err := postgres.LeftBehind(ctx, active, s.Databases, scopeOf(x.upgrade))
	if err != nil {
		unknown(err)
		return err
	}
	if len(left) > 0 {
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonReplicationBroken, "a revert has to wait: %s", strings.Join(left, "; "))
		return nil
	}
	conditions.MarkTrue(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonReplicating, "%s follows; a revert returns traffic to it and loses nothing", other)
	return nil
}

// scopeOf is what the spec says of databases.
func scopeOf(u *v1alpha1.PgUpgrade) postgres.Scope {
	return postgres.Scope{Include: u.Spec.Databases.Include, Exclude: u.Spec.Databases.Exclude, Acknowledged: u.Spec.Acknowledge}
}

// follows says what is wrong with a database's replication; nothing if empty. The follower's
// connection is renewed if a Secret or the spec changed, and a table that was made
// on both sides is taken up first: no switch is in progress here.
func follows(ctx context.Context, m *memory, active, follower postgres.Server, names postgres.Names, db string, slot postgres.Slot) (trouble string, err error) {
	if _, err := postgres.RenewConnection(ctx, active, follower, db, names); err != nil {
		return "", err
	}
	state, err := postgres.SubscriptionState(ctx, follower, db, names.Subscription(db, follower.Instance))
	if err != nil {
		return "", err
	}
	switch {
	case !slot.Exists || slot.Lost:
		return fmt.Sprintf("the slot for database %q is lost", db), nil
	case !state.Exists || !state.Enabled:
		return fmt.Sprintf("the subscription in database %q is missing or disabled", db), nil
	}
	trouble, err = m.schemas.look(names.UID+"/"+db, time.Now, func() (string, error) { return drift(ctx, active, follower, db) })
	if trouble != "" || err != nil {
		return trouble, err
	}
	// only now: a schema that changed says more than what stopped by it
	if trouble, err = m.workers.Trouble(ctx, active, follower, db, names, time.Now()); trouble != "" || err != nil {
		return trouble, err
	}
	if !slot.Active {
		return fmt.Sprintf("nobody reads the slot for database %q; PostgreSQL's log on %s says why", db, follower.Instance), nil
	}
	left, err := postgres.FollowTables(ctx, active, follower, db, names, postgres.SchemaFingerprint)
	if err != nil || len(left) == 0 {
		return "", err
	}
	return fmt.Sprintf("database %q: %s", db, postgres.FewUnfollowed(left, follower.Instance)), nil
}

// poolers reaches every pod that matches the selector and may carry clients: a pod that
// is terminating still does.
func (r *ProxyReconciler) poolers(ctx context.Context, x *pair) ([]proxy.Pooler, error) {
	found, _, err := r.poolersOn(ctx, x)
	return found, err
}

// poolersOn also has the pod of each.
func (r *ProxyReconciler) poolersOn(ctx context.Context, x *pair) (found []proxy.Pooler, byName map[string]*corev1.Pod, err error) {
	p := x.proxy
	selector, err := metav1.LabelSelectorAsSelector(&p.Spec.Pooler.Selector)
	if err != nil {
		return nil, nil, &known{reason: v1alpha1.ReasonInvalidSpec, stalled: true, text: fmt.Sprintf("spec.pooler.selector: %v", err)}
	}
	var pods corev1.PodList
	if err := r.Uncached.List(ctx, &pods, client.InNamespace(p.Namespace), client.MatchingLabelsSelector{Selector: selector}); err != nil {
		return nil, nil, fmt.Errorf("list poolers: %w", err)
	}
	port := p.Spec.Pooler.AgentPort
	if port == 0 {
		port = 8600
	}
	byName = map[string]*corev1.Pod{}
	addresses := map[string]bool{}
	for _, pod := range pods.Items {
		if pod.Status.PodIP == "" || pod.Status.Phase != corev1.PodRunning {
			continue
		}
		address := net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(int(port)))
		addresses[address], byName[pod.Name] = true, &pod
		found = append(found, r.agents.get(string(p.UID), pod.Name, address, x.identity.tls))
	}
	r.agents.keep(string(p.UID), addresses)
	slices.SortFunc(found, func(a, b proxy.Pooler) int { return strings.Compare(a.Name(), b.Name()) })
	return found, byName, nil
}

// agentCache keeps connections to agents warm, so that a switch spends no handshake.
type agentCache struct {
	mu     sync.Mutex
	agents map[string]map[string]*cachedAgent
}

type cachedAgent struct {
	client      *proxy.AgentClient
	certificate string
}

func (c *agentCache) get(uid, name, address string, config *tls.Config) *proxy.AgentClient {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.agents == nil {
		c.agents = map[string]map[string]*cachedAgent{}
	}
	if c.agents[uid] == nil {
		c.agents[uid] = map[string]*cachedAgent{}
	}
	certificate := string(config.Certificates[0].Certificate[0])
	if have := c.agents[uid][address]; have != nil {
		if have.certificate == certificate && have.client.Name() == name {
			return have.client
		}
		have.client.Close()
	}
	made := proxy.NewAgentClient(name, address, config)
	c.agents[uid][address] = &cachedAgent{client: made, certificate: certificate}
	return made
}

// keep drops the agents whose pods are gone.
func (c *agentCache) keep(uid string, addresses map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for address, agent := range c.agents[uid] {
		if !addresses[address] {
			agent.client.Close()
			delete(c.agents[uid], address)
		}
	}
}

func (c *agentCache) forget(uid string) { c.keep(uid, nil) }

// drift says how the schema of the side that serves has changed since a switch; nothing if it hasn't.
func drift(ctx context.Context, active, follower postgres.Server, db string) (string, error) {
	want, err := postgres.SchemaFingerprint(ctx, active, db)
	if err != nil {
		return "", err
	}
	have, err := postgres.SchemaFingerprint(ctx, follower, db)
	if err != nil {
		return "", err
	}
	if diff := want.Diff(have); len(diff) > 0 {
		return fmt.Sprintf("the schema of database %q changed on %s: %s; apply the same change on %s", db, active.Instance, diff[0], follower.Instance), nil
	}
	return "", nil
}

// memory of what was seen at earlier looks.
type memory struct {
	workers postgres.Workers
	schemas paces
}
