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

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/steps/pooler/service"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/switchover"
)

// reconcileActive maintains a proxy whose traffic is where Git wants it: the databases that
// poolers know by name, whether each pooler is ready, and whether a revert would work.
func (r *ProxyReconciler) reconcileActive(ctx context.Context, x *proxyScope) outcome.Outcome {
	ctx, end := postgres.ShareSessions(ctx)
	defer end()
	p := x.proxy
	if err := r.activate(x, p.Status.Active); err != nil {
		return outcome.Of(err, v1alpha1.ReasonActive)
	}
	server, err := r.server(ctx, x, p.Status.Active)
	if err != nil {
		return outcome.Of(err, v1alpha1.ReasonActive)
	}
	databases, err := r.databases(ctx, x, server)
	if err != nil {
		rollbackUnknown(x, err)
		return outcome.Of(err, v1alpha1.ReasonServerUnreachable)
	}
	p.Status.Databases = databases
	if o := r.letsIn(ctx, x, server); o != nil {
		rollbackUnknown(x, errors.New(o.Message))
		return *o
	}
	r.staysFenced(ctx, x)
	if err := r.rollbackPath(ctx, x); err != nil {
		return outcome.Of(err, v1alpha1.ReasonServerUnreachable)
	}
	through, trouble, err := r.lookAtWhatLeads(ctx, x)
	if err != nil {
		return outcome.Of(err, v1alpha1.ReasonPoolerRefused)
	}
	if trouble != nil {
		return *trouble
	}
	o := outcome.Outcome{Ready: true, Reason: v1alpha1.ReasonActive, Message: fmt.Sprintf("%s serves through %s", p.Status.Active, through)}
	switch {
	case x.soon:
		o.RequeueAfter = outcome.RetryMoment
	case follows(x) != "":
		o.RequeueAfter = rollbackLook
	}
	if p.Spec.Pooler.Type == pooler.Service && (o.RequeueAfter == 0 || o.RequeueAfter > outcome.RetrySoon) {
		o.RequeueAfter = outcome.RetrySoon // a pod that is replaced has another address
	}
	return o
}

// lookAtWhatLeads says by what the active instance is reached, or what is wrong with that.
func (r *ProxyReconciler) lookAtWhatLeads(ctx context.Context, x *proxyScope) (through string, trouble *outcome.Outcome, err error) {
	p := x.proxy
	if p.Spec.Pooler.Type != pooler.Service {
		trouble, err = r.lookAtPoolers(ctx, x)
		return fmt.Sprintf("%d poolers", total(p)), trouble, err
	}
	err = r.followService(ctx, p)
	p.Status.Poolers = &v1alpha1.PoolerCount{Total: 1, Display: "0/1"}
	if err == nil {
		p.Status.Poolers.Ready, p.Status.Poolers.Display = 1, "1/1"
	}
	return r.serviceOf(p).Name(), nil, err
}

// followService makes a proxy's Service, if it has one, lead to the active instance's present addresses.
func (r *ProxyReconciler) followService(ctx context.Context, p *v1alpha1.PgProxy) error {
	if p.Spec.Pooler.Type != pooler.Service || p.Status.Endpoint == nil {
		return nil
	}
	err := r.serviceOf(p).Follow(ctx, protocol.Target{Instance: p.Status.Active, Host: p.Status.Endpoint.Host, Port: int(p.Status.Endpoint.Port)})
	var conflict *service.ConflictError
	if errors.As(err, &conflict) {
		return &outcome.ReasonError{Reason: v1alpha1.ReasonPoolerRefused, Stalled: true, Text: conflict.Message}
	}
	return err
}

// serviceOf a proxy of type Service.
func (r *ProxyReconciler) serviceOf(p *v1alpha1.PgProxy) *service.Service {
	name := ""
	if s := p.Spec.Pooler.Service; s != nil {
		name = s.Name
	}
	return &service.Service{Reader: r.Uncached, Writer: r.Client, Namespace: p.Namespace, Service: name, Proxy: p.Name, Addresses: &r.addresses}
}

// lookAtPoolers counts the poolers that are ready and tells what is wrong with the others.
func (r *ProxyReconciler) lookAtPoolers(ctx context.Context, x *proxyScope) (*outcome.Outcome, error) {
	p := x.proxy
	poolers, err := r.poolers(ctx, x)
	if err != nil {
		return nil, err
	}
	count := &v1alpha1.PoolerCount{Total: int32(len(poolers))}
	var trouble []string
	reason := v1alpha1.ReasonPoolerUnreachable
	states, errs := askAll(ctx, poolers, 3*time.Second)
	for i, one := range poolers {
		state, err := states[i], errs[i]
		var silent *protocol.UnreachableError
		switch {
		case errors.As(err, &silent):
			trouble = append(trouble, err.Error())
		case err != nil:
			reason = v1alpha1.ReasonPoolerRefused
			trouble = append(trouble, err.Error())
		case state.Target.Instance != p.Status.Active:
			reason = v1alpha1.ReasonPoolerRefused
			trouble = append(trouble, fmt.Sprintf("pooler %s leads to %q", one.Name(), state.Target.Instance))
		case state.Paused:
			reason = v1alpha1.ReasonPoolerRefused
			trouble = append(trouble, fmt.Sprintf("pooler %s is paused, and no switch is in progress: its clients wait until you resume it: %s", one.Name(), resumeBy(p)))
		case state.Others != "":
			reason = v1alpha1.ReasonPoolerRefused
			trouble = append(trouble, state.ManyProcesses(one.Name()))
		default:
			count.Ready++
		}
	}
	count.Display = fmt.Sprintf("%d/%d", count.Ready, count.Total)
	p.Status.Poolers = count
	switch {
	case count.Total == 0:
		return &outcome.Outcome{Reason: v1alpha1.ReasonNoPoolers, Message: "no running pod matches spec.pooler.selector", RequeueAfter: outcome.RetrySoon}, nil
	case len(trouble) > 0:
		return &outcome.Outcome{Reason: reason, Message: strings.Join(trouble, "; "), RequeueAfter: outcome.RetrySoon}, nil
	}
	return nil, nil
}

func total(p *v1alpha1.PgProxy) int32 {
	if p.Status.Poolers == nil {
		return 0
	}
	return p.Status.Poolers.Total
}

// resumeBy says how people let the clients of a pooler go on.
func resumeBy(p *v1alpha1.PgProxy) string {
	switch p.Spec.Pooler.Type {
	case pooler.HAProxy:
		return "`set maxconn frontend` by HAProxy's runtime API"
	case pooler.NGINX:
		return "SIGCONT to nginx's workers"
	}
	return "RESUME in PgBouncer's console"
}

// askAll poolers at once: a dead pooler delays the call by no more than patience.
func askAll(ctx context.Context, poolers []switchover.Pooler, patience time.Duration) ([]protocol.PoolerState, []error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	states, errs := make([]protocol.PoolerState, len(poolers)), make([]error, len(poolers))
	var group errgroup.Group
	for i, pooler := range poolers {
		group.Go(func() error {
			states[i], errs[i] = pooler.State(ctx)
			return nil
		})
	}
	_ = group.Wait()
	return states, errs
}

// poolers reaches every pod that matches the selector and may carry clients: a pod that
// is terminating still does.
func (r *ProxyReconciler) poolers(ctx context.Context, x *proxyScope) ([]switchover.Pooler, error) {
	found, _, err := r.poolersOn(ctx, x)
	return found, err
}

// poolersOn also returns the pod of each.
func (r *ProxyReconciler) poolersOn(ctx context.Context, x *proxyScope) (found []switchover.Pooler, byName map[string]*corev1.Pod, err error) {
	p := x.proxy
	if p.Spec.Pooler.Type == pooler.Service {
		return []switchover.Pooler{r.serviceOf(p)}, nil, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(&p.Spec.Pooler.Selector)
	if err != nil {
		return nil, nil, &outcome.ReasonError{Reason: v1alpha1.ReasonInvalidSpec, Stalled: true, Text: fmt.Sprintf("spec.pooler.selector: %v", err)}
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
	slices.SortFunc(found, func(a, b switchover.Pooler) int { return strings.Compare(a.Name(), b.Name()) })
	return found, byName, nil
}

// agentCache keeps connections to agents warm, so that a switch spends no handshake.
type agentCache struct {
	mu     sync.Mutex
	agents map[string]map[string]*cachedAgent
}

type cachedAgent struct {
	client      *protocol.Client
	certificate string
}

func (c *agentCache) get(uid, name, address string, config *tls.Config) *protocol.Client {
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
	made := protocol.NewClient(name, address, config)
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
