package outcome

import (
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
)

// ReasonError is an error that carries the reason of its condition.
type ReasonError struct {
	Reason string
	// Stalled: nothing continues until a human acts.
	Stalled bool
	Text    string
	// Err is what it stands for, if code asks for that.
	Err error
}

func (e *ReasonError) Error() string { return e.Text }

func (e *ReasonError) Unwrap() error { return e.Err }

// ErrorReason of an error in words of the API.
type ErrorReason struct {
	Reason  string
	Stalled bool
}

// errorReasons says what each failure is called and whether a human must act; the first row
// that matches wins. Everything else is transient.
var errorReasons = []struct {
	match func(error) bool
	ErrorReason
}{
	{apierrors.IsForbidden, ErrorReason{v1alpha1.ReasonForbidden, true}},
	// Git: what only a human can fix
	{is(gitops.ErrBadSecret), ErrorReason{v1alpha1.ReasonSecretInvalid, true}},
	{is(gitops.ErrBadReference), ErrorReason{v1alpha1.ReasonInvalidSpec, true}},
	{is(gitops.ErrUnauthorized), ErrorReason{v1alpha1.ReasonGitUnauthorized, true}},
	{is(gitops.ErrPushForbidden), ErrorReason{v1alpha1.ReasonPushRejected, true}},
	{is(gitops.ErrBranchMissing), ErrorReason{v1alpha1.ReasonPathNotFound, true}},
	{is(gitops.ErrBranchTaken), ErrorReason{v1alpha1.ReasonPushRejected, true}},
	{is(gitops.ErrPathMissing), ErrorReason{v1alpha1.ReasonPathNotFound, true}},
	{is(gitops.ErrFieldMissing), ErrorReason{v1alpha1.ReasonFieldNotFound, true}},
	{is(gitops.ErrBadPath), ErrorReason{v1alpha1.ReasonManifestInvalid, true}},
	{is(gitops.ErrBadFile), ErrorReason{v1alpha1.ReasonManifestInvalid, true}},
	{is(gitops.ErrAmbiguous), ErrorReason{v1alpha1.ReasonManifestInvalid, true}},
	{is(gitops.ErrDrift), ErrorReason{v1alpha1.ReasonManifestInvalid, true}},
	{is(gitops.ErrOwned), ErrorReason{v1alpha1.ReasonInvalidSpec, true}},
	{is(gitops.ErrBadMessage), ErrorReason{v1alpha1.ReasonInvalidSpec, true}},
	{is(gitops.ErrBuild), ErrorReason{v1alpha1.ReasonBuildFailed, true}},
	// Git: what passes
	{is(gitops.ErrUnreachable), ErrorReason{v1alpha1.ReasonGitUnreachable, false}},
	{is(gitops.ErrConflict), ErrorReason{v1alpha1.ReasonGitConflict, false}},
	// PostgreSQL
	{is(fence.ErrNotFresh), ErrorReason{v1alpha1.ReasonInstanceNotFresh, true}},
	{postgres.Untrusted, ErrorReason{v1alpha1.ReasonServerUntrusted, true}},
	{postgres.AuthenticationFailed, ErrorReason{v1alpha1.ReasonServerAuthFailed, true}},
	{postgres.RightsMissing, ErrorReason{v1alpha1.ReasonRightsMissing, true}},
	{postgres.PeerUnreachable, ErrorReason{v1alpha1.ReasonReplicationBroken, false}},
	{postgres.Unreachable, ErrorReason{v1alpha1.ReasonServerUnreachable, false}},
	{postgres.DiskFull, ErrorReason{v1alpha1.ReasonDiskFull, true}},
	{wrongVersion, ErrorReason{v1alpha1.ReasonWrongVersion, true}},
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func wrongVersion(err error) bool {
	var wrong *steps.WrongVersionError
	return errors.As(err, &wrong)
}

// ReasonOf an error; otherwise is the reason of one that is just worth a retry.
func ReasonOf(err error, otherwise string) ErrorReason {
	var k *ReasonError
	if errors.As(err, &k) {
		return ErrorReason{k.Reason, k.Stalled}
	}
	for _, row := range errorReasons {
		if row.match(err) {
			return row.ErrorReason
		}
	}
	return ErrorReason{otherwise, false}
}
