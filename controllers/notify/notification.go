package notify

import (
	"cmp"
	"context"
	"fmt"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	eventv1 "github.com/fluxcd/pkg/apis/event/v1beta1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
)

// notification is an event that waits to be posted. It shares nothing with the object, which changes meanwhile.
type notification struct {
	// upgrade that it is about; nil if that is to be read, by upgradeName
	upgrade                *v1alpha1.PgUpgrade
	namespace, upgradeName string
	eventType, reason      string
	message                string
	// metadata of the event, without the prefix that Flux's keys have
	metadata map[string]string
	// commit that it speaks of, in Flux's notation; none: what Flux applied last
	commit string
	// token tells events apart that have the same words
	token string
}

// notificationOf an event of one of Gitover's kinds.
func notificationOf(object runtime.Object, annotations map[string]string, eventType, reason, message string) notification {
	n := notification{eventType: eventType, reason: reason, metadata: map[string]string{}, commit: annotations[v1alpha1.RevisionAnnotation]}
	switch o := object.(type) {
	case *v1alpha1.PgUpgrade:
		n.upgrade, n.namespace, n.upgradeName = o.DeepCopy(), o.Namespace, o.Name
		n.message = fmt.Sprintf("PgUpgrade %s, %s: %s", o.Name, reason, message)
		n.token = fmt.Sprint(o.Status.Run, "/", o.Status.Attempt)
		n.describe("upgrade", o.Name, "run", o.Status.Run, "step", o.Status.Step, "from", o.Status.From, "to", o.Status.To)
	case *v1alpha1.PgProxy:
		n.namespace, n.upgradeName = o.Namespace, o.Spec.UpgradeRef.Name
		n.message = fmt.Sprintf("PgProxy %s, %s: %s", o.Name, reason, message)
		n.describe("proxy", o.Name, "upgrade", o.Spec.UpgradeRef.Name, "active", o.Status.Active, "target", o.Spec.Target)
		if s := o.Status.Switch; s != nil {
			n.token = s.ID
		} else if len(o.Status.Switches) > 0 {
			n.token = o.Status.Switches[0].ID
		}
	}
	return n
}

// describe the event by pairs of a key and a value; empty ones are left out.
func (n *notification) describe(pairs ...string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			n.metadata[pairs[i]] = pairs[i+1]
		}
	}
}

// post an event as one of the Kustomization that carries the database.
func (r *Recorder) post(ctx context.Context, n notification) {
	kustomization, err := r.carrier(ctx, n)
	if err != nil {
		r.log.Info("an event isn't posted", "event", n.reason, "message", n.message, "namespace", n.namespace, "upgrade", n.upgradeName, "reason", err.Error())
		return
	}
	metadata := map[string]string{}
	for key, value := range n.metadata {
		metadata[eventv1.Group+"/"+key] = value
	}
	group := kustomizev1.GroupVersion.Group + "/"
	if revision := cmp.Or(n.commit, kustomization.Status.LastAppliedRevision); revision != "" {
		metadata[group+eventv1.MetaRevisionKey] = revision
	}
	if n.token != "" {
		metadata[group+eventv1.MetaTokenKey] = n.token
	}
	r.flux.AnnotatedEventf(kustomization, metadata, n.eventType, n.reason, "%s", n.message)
}

// carrier is the Kustomization that an upgrade names. One of another namespace must have delivered the upgrade, or a tenant
// could write into the chat of another.
func (r *Recorder) carrier(ctx context.Context, n notification) (*kustomizev1.Kustomization, error) {
	upgrade := n.upgrade
	if upgrade == nil {
		upgrade = &v1alpha1.PgUpgrade{}
		if err := r.reader.Get(ctx, client.ObjectKey{Namespace: n.namespace, Name: n.upgradeName}, upgrade); err != nil {
			return nil, err
		}
	}
	ref := upgrade.Spec.Git.KustomizationRef
	key := client.ObjectKey{Namespace: cmp.Or(ref.Namespace, upgrade.Namespace), Name: ref.Name}
	kustomization := &kustomizev1.Kustomization{}
	if err := r.reader.Get(ctx, key, kustomization); err != nil {
		return nil, err
	}
	if key.Namespace != upgrade.Namespace {
		return kustomization, access.Authorize(upgrade, kustomization)
	}
	return kustomization, nil
}
