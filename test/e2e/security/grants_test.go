package security

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/test/e2e/testenv"
)

// right is one verb on one resource: what a test takes away or grants.
type right struct{ group, resource, verb string }

func (r right) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", r.verb, r.resource, r.group))
}

// rightsOfStory are those that the story needs: it has no operator's cluster, whose right `make e2e-cnpg` needs, and no hooks under an account of a tenant.
func rightsOfStory(rules []rbacv1.PolicyRule) map[right]bool {
	rights := rightsIn(rules)
	maps.DeleteFunc(rights, func(r right, _ bool) bool {
		return r.group == "postgresql.cnpg.io" || r.resource == "localsubjectaccessreviews"
	})
	return rights
}

func rightsIn(rules []rbacv1.PolicyRule) map[right]bool {
	rights := map[right]bool{}
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					rights[right{group, resource, verb}] = true
				}
			}
		}
	}
	return rights
}

func sorted(rights map[right]bool) []string {
	var names []string
	for r := range maps.Keys(rights) {
		names = append(names, r.String())
	}
	slices.Sort(names)
	return names
}

// denial as the API server words it; in logs quotes are escaped once or twice.
var denial = regexp.MustCompile(`system:serviceaccount:([a-z0-9-]+):([a-z0-9-]+)\\*" cannot (\w+) resource \\*"([^"\\]+)\\*" in API group \\*"([^"\\]*)\\*"`)

// clerk begins with accounts that may do nothing and grants each right that the API server
// says is missing, and no other. Whatever was granted was needed: the API server itself
// refused a request without it.
type clerk struct {
	app *testenv.App
	// roles by the name of the service account.
	roles map[string]string

	mu sync.Mutex
	// granted rights by account, with the place where people could read of it first.
	granted map[string]map[right]string
	// withheld rights are not granted even if they are missed.
	withheld map[right]bool
	// missed rights that were withheld, with how often each was read of.
	missed map[right]int
	err    error
}

func newClerk(app *testenv.App, roles map[string]string) *clerk {
	return &clerk{app: app, roles: roles, granted: map[string]map[right]string{}, withheld: map[right]bool{}, missed: map[right]int{}}
}

// work until the context ends: read what the pods log and what the objects say.
func (c *clerk) work(ctx context.Context) error {
	var readers sync.WaitGroup
	defer readers.Wait()
	reading := map[string]bool{}
	for ctx.Err() == nil {
		var pods corev1.PodList
		err := c.app.Client.List(ctx, &pods, client.InNamespace(c.app.Namespace))
		for _, pod := range pods.Items {
			for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
				id := status.ContainerID
				if c.roles[pod.Spec.ServiceAccountName] == "" || status.State.Running == nil || reading[id] {
					continue
				}
				reading[id] = true
				readers.Go(func() { c.follow(ctx, pod.Name, status.Name) })
			}
		}
		for _, kind := range []string{"PgUpgrade", "PgProxy"} {
			o := &unstructured.Unstructured{}
			o.SetAPIVersion("gitover.dev/v1alpha1")
			o.SetKind(kind)
			if err := c.app.Client.Get(ctx, client.ObjectKey{Namespace: c.app.Namespace, Name: testenv.Name}, o); err != nil {
				continue // not there yet, or no more
			}
			conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
			for _, condition := range conditions {
				fields, _ := condition.(map[string]any)
				c.read(ctx, fmt.Sprint(fields["message"]), fmt.Sprintf("%s: %s=%s, reason %s", kind, fields["type"], fields["status"], fields["reason"]))
			}
		}
		c.mu.Lock()
		c.err = errors.Join(c.err, client.IgnoreNotFound(err))
		failed := c.err
		c.mu.Unlock()
		if ctx.Err() == nil && failed != nil {
			return failed
		}
		select {
		case <-time.After(200 * time.Millisecond): // the pace of looking; nothing relies on it
		case <-ctx.Done():
		}
	}
	return nil
}

// follow the log of a container until it ends.
func (c *clerk) follow(ctx context.Context, pod, container string) {
	stream, err := c.app.Pods.CoreV1().Pods(c.app.Namespace).GetLogs(pod, &corev1.PodLogOptions{Container: container, Follow: true}).Stream(ctx)
	if err != nil {
		return // it ended meanwhile; its successor is found by the next look
	}
	defer stream.Close()
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		c.read(ctx, lines.Text(), "log of "+container)
	}
}

// read a text, and grant what it says is missing.
func (c *clerk) read(ctx context.Context, text, place string) {
	for _, m := range denial.FindAllStringSubmatch(text, -1) {
		account, missing := m[2], right{group: m[5], resource: m[4], verb: m[3]}
		role := c.roles[account]
		if role == "" || m[1] != c.app.Namespace {
			continue
		}
		c.mu.Lock()
		err := c.grant(ctx, account, role, missing, place)
		if ctx.Err() == nil {
			c.err = errors.Join(c.err, err)
		}
		c.mu.Unlock()
	}
}

func (c *clerk) grant(ctx context.Context, account, role string, missing right, place string) error {
	if c.withheld[missing] {
		c.missed[missing]++
		return nil
	}
	if c.granted[account] == nil {
		c.granted[account] = map[right]string{}
	}
	if c.granted[account][missing] != "" {
		return nil // read of again
	}
	c.granted[account][missing] = place
	c.app.Log("%s may now %s (%s)", account, missing, place)
	return c.write(ctx, account, role)
}

// write a role again with what is granted and not withheld.
func (c *clerk) write(ctx context.Context, account, role string) error {
	rules := []rbacv1.PolicyRule{}
	for r := range c.granted[account] {
		if !c.withheld[r] {
			rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{r.group}, Resources: []string{r.resource}, Verbs: []string{r.verb}})
		}
	}
	object := &rbacv1.Role{}
	object.Namespace, object.Name = c.app.Namespace, role
	patch, err := json.Marshal(map[string]any{"rules": rules})
	if err != nil {
		return err
	}
	return c.app.Client.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch))
}

// withhold a right that was granted, or give it back.
func (c *clerk) withhold(ctx context.Context, account string, r right, withheld bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.withheld[r] = withheld
	return c.write(ctx, account, c.roles[account])
}

// rights of an account that were granted, and where it was read that they were missing.
func (c *clerk) rights(account string) (map[right]bool, map[right]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rights := map[right]bool{}
	for r := range c.granted[account] {
		rights[r] = true
	}
	return rights, maps.Clone(c.granted[account])
}
