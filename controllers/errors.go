package controllers

import (
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
)

// known is an error whose meaning is known where it arises: it carries its reason.
type known struct {
	reason string
	// stalled: nothing goes on before a human acts.
	stalled bool
	text    string
}

func (e *known) Error() string { return e.text }

// meaning of an error in words of the API.
type meaning struct {
	reason  string
	stalled bool
}

// meanings says what each failure is called and whether a human must act; the first row
// that matches wins. Everything else is transient.
var meanings = []struct {
	match func(error) bool
	meaning
}{
	{apierrors.IsForbidden, meaning{v1alpha1.ReasonForbidden, true}},
	// Git: what only a human can mend
	{is(gitops.ErrBadSecret), meaning{v1alpha1.ReasonSecretInvalid, true}},
	{is(gitops.ErrBadReference), meaning{v1alpha1.ReasonInvalidSpec, true}},
	{is(gitops.ErrUnauthorized), meaning{v1alpha1.ReasonGitUnauthorized, true}},
	{is(gitops.ErrPushForbidden), meaning{v1alpha1.ReasonPushRejected, true}},
	{is(gitops.ErrBranchMissing), meaning{v1alpha1.ReasonPathNotFound, true}},
	{is(gitops.ErrPathMissing), meaning{v1alpha1.ReasonPathNotFound, true}},
	{is(gitops.ErrFieldMissing), meaning{v1alpha1.ReasonFieldNotFound, true}},
	{is(gitops.ErrBadPath), meaning{v1alpha1.ReasonManifestInvalid, true}},
	{is(gitops.ErrBadFile), meaning{v1alpha1.ReasonManifestInvalid, true}},
	{is(gitops.ErrAmbiguous), meaning{v1alpha1.ReasonManifestInvalid, true}},
	{is(gitops.ErrDrift), meaning{v1alpha1.ReasonManifestInvalid, true}},
	{is(gitops.ErrOwned), meaning{v1alpha1.ReasonInvalidSpec, true}},
	{is(gitops.ErrBadMessage), meaning{v1alpha1.ReasonInvalidSpec, true}},
	{is(gitops.ErrBuild), meaning{v1alpha1.ReasonBuildFailed, true}},
	// Git: what passes
	{is(gitops.ErrUnreachable), meaning{v1alpha1.ReasonGitUnreachable, false}},
	{is(gitops.ErrConflict), meaning{v1alpha1.ReasonGitConflict, false}},
	// PostgreSQL
	{is(fence.ErrNotFresh), meaning{v1alpha1.ReasonInstanceNotFresh, true}},
	{postgres.Untrusted, meaning{v1alpha1.ReasonServerUntrusted, true}},
	{postgres.AuthenticationFailed, meaning{v1alpha1.ReasonServerAuthFailed, true}},
	{postgres.RightsMissing, meaning{v1alpha1.ReasonRightsMissing, true}},
	{postgres.PeerUnreachable, meaning{v1alpha1.ReasonReplicationBroken, false}},
	{postgres.Unreachable, meaning{v1alpha1.ReasonServerUnreachable, false}},
	{postgres.DiskFull, meaning{v1alpha1.ReasonDiskFull, true}},
	{wrongVersion, meaning{v1alpha1.ReasonWrongVersion, true}},
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func wrongVersion(err error) bool {
	var wrong *steps.WrongVersionError
	return errors.As(err, &wrong)
}

// meaningOf an error; otherwise is the reason of one that is just worth a retry.
func meaningOf(err error, otherwise string) meaning {
	var k *known
	if errors.As(err, &k) {
		return meaning{k.reason, k.stalled}
	}
	for _, row := range meanings {
		if row.match(err) {
			return row.meaning
		}
	}
	return meaning{otherwise, false}
}
