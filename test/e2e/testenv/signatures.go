package testenv

import (
	"context"
	"fmt"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
)

// VerifySignatures has Flux apply only commits that a key of the Secret signed.
func (a *App) VerifySignatures(ctx context.Context, secret string) error {
	source := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: "fleet"}}
	patch := fmt.Appendf(nil, `{"spec":{"verify":{"mode":"HEAD","secretRef":{"name":%q}}}}`, secret)
	return a.Client.Patch(ctx, source, client.RawPatch(types.MergePatchType, patch))
}

// Says that Ready is False for a reason, with these words.
func Says(reason string, words ...string) func(*v1alpha1.PgUpgrade) bool {
	return func(u *v1alpha1.PgUpgrade) bool {
		c := apimeta.FindStatusCondition(u.Status.Conditions, v1alpha1.ReadyCondition)
		if c == nil || c.Status != metav1.ConditionFalse || c.Reason != reason {
			return false
		}
		for _, w := range words {
			if !strings.Contains(c.Message, w) {
				return false
			}
		}
		return true
	}
}
