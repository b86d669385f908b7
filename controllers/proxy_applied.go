package controllers

import (
	"bytes"
	"context"
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/gitops"
)

const (
	// fluxManager is the name by which kustomize-controller applies objects (its --field-manager).
	fluxManager = "kustomize-controller"
	// gitPatience is how long to wait for Git where Flux's own mark tells the same.
	gitPatience = 3 * time.Second
)

var specTarget = fieldpath.MakePathOrDie("spec", "target")

// appliedByFlux says whether spec.target of a proxy is as the Kustomization applied it last: kustomize-controller
// owns the field. Any other client that changed it since would own it instead.
func appliedByFlux(p *v1alpha1.PgProxy, namespace, kustomization string) bool {
	if p.Labels["kustomize.toolkit.fluxcd.io/name"] != kustomization || p.Labels["kustomize.toolkit.fluxcd.io/namespace"] != namespace {
		return false
	}
	flux := false
	for _, m := range p.ManagedFields {
		if m.FieldsV1 == nil {
			continue
		}
		var owned fieldpath.Set
		if owned.FromJSON(bytes.NewReader(m.FieldsV1.GetRawBytes())) != nil || !owned.Has(specTarget) {
			continue
		}
		if m.Manager != fluxManager || m.Operation != metav1.ManagedFieldsOperationApply {
			return false
		}
		flux = true
	}
	return flux
}

// gitSilent: Git can't be read now, whatever the repository holds.
func gitSilent(err error) bool {
	var k *outcome.ReasonError
	return errors.Is(err, gitops.ErrUnreachable) || errors.Is(err, gitops.ErrUnauthorized) || errors.Is(err, gitops.ErrBadSecret) ||
		errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &k) && (k.Reason == v1alpha1.ReasonSecretNotFound || k.Reason == v1alpha1.ReasonSecretInvalid)
}
