package postgres

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATE codes Gitover acts upon, from PostgreSQL's appendix "Error Codes".
const (
	stateInvalidPassword      = "28P01"
	stateInvalidAuthorization = "28000"
	stateInvalidCatalog       = "3D000"
	stateInsufficientRights   = "42501"
	stateDuplicateObject      = "42710"
	stateDuplicateDatabase    = "42P04"
	stateDuplicateTable       = "42P07"
	stateUniqueViolation      = "23505"
	stateInvalidTable         = "42P16"
	stateUndefinedObject      = "42704"
	stateUndefinedTable       = "42P01"
	stateObjectInUse          = "55006"
	stateNotInPrerequisite    = "55000"
	stateTooManyConnections   = "53300"
	stateDiskFull             = "53100"
	stateCannotConnectNow     = "57P03"
	stateAdminShutdown        = "57P01"
	stateQueryCanceled        = "57014"
	stateSerializationFailure = "40001"
	stateLockNotAvailable     = "55P03"
	stateWrongObjectType      = "42809"
	stateNotSupported         = "0A000"
	stateConnectionFailure    = "08006"
	stateConnectionException  = "08000"
	stateNoConnection         = "08003"
	stateCrashShutdown        = "57P02"
	stateDeadlock             = "40P01"
)

// Classes of SQLSTATE codes.
const (
	classUnsupported = "0A"
	classData        = "22"
	classIntegrity   = "23"
	classRaised      = "P0"
	classSyntax      = "42"
	classLimit       = "54"
	classInternal    = "XX"
)

func hasState(err error, states ...string) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	for _, s := range states {
		if pg.Code == s {
			return true
		}
	}
	return false
}

// AuthenticationFailed: the password or the pg_hba rule refused us; a human must act.
func AuthenticationFailed(err error) bool {
	return hasState(err, stateInvalidPassword, stateInvalidAuthorization)
}

// RightsMissing: the user may not do what was asked; a human must act.
func RightsMissing(err error) bool { return hasState(err, stateInsufficientRights) }

// DatabaseMissing: no database of that name.
func DatabaseMissing(err error) bool { return hasState(err, stateInvalidCatalog) }

// AlreadyExists: the object is there; for Gitover's own names that is success.
func AlreadyExists(err error) bool {
	return hasState(err, stateDuplicateObject, stateDuplicateDatabase)
}

// NotFound: the object is not there; for a removal that is success.
func NotFound(err error) bool {
	return hasState(err, stateUndefinedObject, stateUndefinedTable)
}

// InUse: a session uses the object (e.g. a slot with an active walsender); worth a retry.
func InUse(err error) bool { return hasState(err, stateObjectInUse) }

// Unreadable: the server can't read a definition; a retry doesn't help.
func Unreadable(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || RightsMissing(err) || len(pg.Code) != 5 {
		return false
	}
	switch pg.Code[:2] {
	case classUnsupported, classData, classSyntax, classLimit, classInternal:
		return true
	}
	return false
}

// ConnectionsDisabled: the database refuses all connections, also a superuser's; worth a retry, since
// an unfinished switch causes this.
func ConnectionsDisabled(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) && hasState(err, stateNotInPrerequisite)
}

// Refused: the fence or the connection limit refuses the session.
func Refused(err error) bool { return hasState(err, stateTooManyConnections) }

// DiskFull: the server has no room left.
func DiskFull(err error) bool { return hasState(err, stateDiskFull) }

// PeerUnreachable: the server could not reach the other one that it was told to subscribe to;
// worth a retry.
func PeerUnreachable(err error) bool { return hasState(err, stateConnectionFailure) }

// LockTimeout: another session held a lock for longer than we may wait; worth a retry.
func LockTimeout(err error) bool { return hasState(err, stateLockNotAvailable) }

// Unsuitable: the index can't be a replica identity.
func Unsuitable(err error) bool { return hasState(err, stateWrongObjectType, stateNotSupported) }

// Canceled: the statement was canceled, by us or by a timeout.
func Canceled(err error) bool { return hasState(err, stateQueryCanceled) }

// RecoveryConflict: a standby gave up a query that kept it from replaying.
func RecoveryConflict(err error) bool { return hasState(err, stateSerializationFailure) }

// ErrNoSecret: the Secret that an operator makes with a server isn't there: the server wasn't made yet, or has gone with it.
var ErrNoSecret = errors.New("the instance's own Secret does not exist")

// Unreachable: no answer from the server, or it is starting or stopping, or not made yet; worth a retry.
func Unreachable(err error) bool {
	if Untrusted(err) {
		return false
	}
	if errors.Is(err, ErrNoSecret) {
		return true
	}
	if hasState(err, stateCannotConnectNow, stateAdminShutdown) || ConnectionsDisabled(err) {
		return true
	}
	var netErr net.Error
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		var pg *pgconn.PgError
		return !errors.As(err, &pg)
	}
	return errors.As(err, &netErr) || errors.Is(err, context.DeadlineExceeded)
}

// HostMissing: no server of that name exists any more, so nothing is left on it.
func HostMissing(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// TriedAndRefused is PostgreSQL's refusal of a statement that Gitover had the rights for; nil if the error is
// another one.
func TriedAndRefused(err error) *pgconn.PgError {
	var said *pgconn.PgError
	if errors.As(err, &said) && !RightsMissing(err) {
		return said
	}
	return nil
}

// connectionError is a shortened connect error: pgconn's text repeats user, database and every
// address tried, and a connection string must never get into it.
type connectionError struct {
	cause error
	// demandsTLS: a connection without TLS was not allowed.
	demandsTLS bool
}

func (e *connectionError) Error() string {
	if why := e.distrust(); why != "" {
		return why
	}
	var pg *pgconn.PgError
	if errors.As(e.cause, &pg) {
		return pg.Message + " (SQLSTATE " + pg.Code + ")"
	}
	var dns *net.DNSError
	if errors.As(e.cause, &dns) {
		return dns.Error()
	}
	var op *net.OpError
	if errors.As(e.cause, &op) {
		return op.Error()
	}
	return e.cause.Error()
}

func (e *connectionError) Unwrap() error { return e.cause }

// Interrupted: the server ended the session or its work because it stops, has crashed, or another session was in the way; or the connection
// broke in the middle of it. Worth a retry.
func Interrupted(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		hasState(err, stateAdminShutdown, stateCrashShutdown, stateCannotConnectNow, stateLockNotAvailable, stateDeadlock, stateSerializationFailure, stateTooManyConnections) ||
		hasState(err, stateConnectionException, stateConnectionFailure, stateNoConnection)
}

// DataRefused: a constraint, or a function that a constraint calls, refuses a row; rows of other tables may be what it misses.
func DataRefused(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	class := pg.Code[:min(2, len(pg.Code))]
	return class == classIntegrity || class == classData || class == classRaised
}

// OtherObjects: a statement that makes or changes an object met others than it expects: what it makes exists or is being made, or what it needs is gone.
func OtherObjects(err error) bool {
	var pg *pgconn.PgError
	return hasState(err, stateDuplicateTable, stateDuplicateObject, stateUndefinedTable, stateUndefinedObject, stateNotInPrerequisite, stateInvalidTable) ||
		hasState(err, stateUniqueViolation) && errors.As(err, &pg) && pg.SchemaName == "pg_catalog"
}
