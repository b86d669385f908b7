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

// reasonError is an error whose meaning is known where it arises: it carries its reason.
type reasonError struct {
	reason string
	// stalled: nothing goes on before a human acts.
	stalled bool
	text    string
}

func (e *reasonError) Error() string { return e.text }

// errorReason of an error in words of the API.
type errorReason struct {
	reason  string
	stalled bool
}

// errorReasons says what each failure is called and whether a human must act; the first row
// that matches wins. Everything else is transient.
var errorReasons = []struct {
	match func(error) bool
	errorReason
}{
	{apierrors.IsForbidden, errorReason{v1alpha1.ReasonForbidden, true}},
	// Git: what only a human can fix
	{is(gitops.ErrBadSecret), errorReason{v1alpha1.ReasonSecretInvalid, true}},
	{is(gitops.ErrBadReference), errorReason{v1alpha1.ReasonInvalidSpec, true}},
	{is(gitops.ErrUnauthorized), errorReason{v1alpha1.ReasonGitUnauthorized, true}},
	{is(gitops.ErrPushForbidden), errorReason{v1alpha1.ReasonPushRejected, true}},
	{is(gitops.ErrBranchMissing), errorReason{v1alpha1.ReasonPathNotFound, true}},
	{is(gitops.ErrPathMissing), errorReason{v1alpha1.ReasonPathNotFound, true}},
	{is(gitops.ErrFieldMissing), errorReason{v1alpha1.ReasonFieldNotFound, true}},
	{is(gitops.ErrBadPath), errorReason{v1alpha1.ReasonManifestInvalid, true}},
	{is(gitops.ErrBadFile), errorReason{v1alpha1.ReasonManifestInvalid, true}},
	{is(gitops.ErrAmbiguous), errorReason{v1alpha1.ReasonManifestInvalid, true}},
	{is(gitops.ErrDrift), errorReason{v1alpha1.ReasonManifestInvalid, true}},
	{is(gitops.ErrOwned), errorReason{v1alpha1.ReasonInvalidSpec, true}},
	{is(gitops.ErrBadMessage), errorReason{v1alpha1.ReasonInvalidSpec, true}},
	{is(gitops.ErrBuild), errorReason{v1alpha1.ReasonBuildFailed, true}},
	// Git: what passes
	{is(gitops.ErrUnreachable), errorReason{v1alpha1.ReasonGitUnreachable, false}},
	{is(gitops.ErrConflict), errorReason{v1alpha1.ReasonGitConflict, false}},
	// PostgreSQL
	{is(fence.ErrNotFresh), errorReason{v1alpha1.ReasonInstanceNotFresh, true}},
	{postgres.Untrusted, errorReason{v1alpha1.ReasonServerUntrusted, true}},
	{postgres.AuthenticationFailed, errorReason{v1alpha1.ReasonServerAuthFailed, true}},
	{postgres.RightsMissing, errorReason{v1alpha1.ReasonRightsMissing, true}},
	{postgres.PeerUnreachable, errorReason{v1alpha1.ReasonReplicationBroken, false}},
	{postgres.Unreachable, errorReason{v1alpha1.ReasonServerUnreachable, false}},
	{postgres.DiskFull, errorReason{v1alpha1.ReasonDiskFull, true}},
	{wrongVersion, errorReason{v1alpha1.ReasonWrongVersion, true}},
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func wrongVersion(err error) bool {
	var wrong *steps.WrongVersionError
	return errors.As(err, &wrong)
}

// reasonOf an error; otherwise is the reason of one that is just worth a retry.
func reasonOf(err error, otherwise string) errorReason {
	var k *reasonError
	if errors.As(err, &k) {
		return errorReason{k.reason, k.stalled}
	}
	for _, row := range errorReasons {
		if row.match(err) {
			return row.errorReason
		}
	}
	return errorReason{otherwise, false}
}
