package switchover

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gitover/gitover/steps/postgres"
)

// Obstacle is one reason why a switch can't begin, or gave up.
type Obstacle struct {
	// Kind by name.
	Kind ObstacleKind
	// Message for people: what stands in the way and what to do.
	Message string
	// Session that stands in the way, if one does.
	Session *postgres.Session
}

// ObstacleKind names a kind of obstacle.
type ObstacleKind string

// Kinds of obstacles.
const (
	LongTransaction     ObstacleKind = "LongTransaction"
	PreparedTransaction ObstacleKind = "PreparedTransaction"
	Lagging             ObstacleKind = "Lagging"
	NotReplicating      ObstacleKind = "NotReplicating"
	SchemaDrift         ObstacleKind = "SchemaDrift"
	RolesDrift          ObstacleKind = "RolesDrift"
	PoolerUnreachable   ObstacleKind = "PoolerUnreachable"
	PoolerOutOfStep     ObstacleKind = "PoolerOutOfStep"
	// PoolerRefusing: an agent can't use its PgBouncer's admin console; a human must act.
	PoolerRefusing ObstacleKind = "PoolerRefusing"
	// PoolerShared: other PgBouncer processes serve beside the one that the agent leads.
	PoolerShared  ObstacleKind = "PoolerShared"
	NewSideOpen   ObstacleKind = "NewSideOpen"
	OldSideFenced ObstacleKind = "OldSideFenced"
	NoPooler      ObstacleKind = "NoPooler"
	// SessionPooling: a client keeps a server connection for as long as it is connected.
	SessionPooling ObstacleKind = "SessionPooling"
)

// WaitingError: the switch can't begin now; nothing was done. Worth a retry once the obstacles
// are gone.
type WaitingError struct{ Obstacles []Obstacle }

func (w *WaitingError) Error() string {
	messages := make([]string, len(w.Obstacles))
	for i, o := range w.Obstacles {
		messages[i] = o.Message
	}
	return strings.Join(messages, "; ")
}

// NewSideBehindError: the new side did not apply everything in time.
type NewSideBehindError struct {
	Database string
	Cause    error
}

func (e *NewSideBehindError) Error() string {
	return fmt.Sprintf("the new side did not apply all of database %q in time: %v", e.Database, e.Cause)
}

func (e *NewSideBehindError) Unwrap() error { return e.Cause }

// The three errors that follow say what stands. They deliberately don't unwrap: why a
// switch got there must not be taken for how it ended (an Aborted for a Waiting).

// AbortedError: the switch was undone; traffic is on the old side. Worth a retry with a new id.
type AbortedError struct {
	// Why it was given up: one of this package's errors, or whatever failed.
	Why error
	// Parts measured until then, so that an abort shows where time went.
	Result Result
}

func (e *AbortedError) Error() string { return "the switch was undone: " + e.Why.Error() }

// UndecidedError: the old side's register could not be asked what stands. Agents release what
// they hold within the limit; call Recover until it answers.
type UndecidedError struct{ Why error }

func (e *UndecidedError) Error() string {
	return "whether the switch went forward is not known yet: " + e.Why.Error()
}

// UnfinishedError: the switch went forward and is decided for good, but what follows is not
// done yet. Call Recover until it is.
type UnfinishedError struct {
	Why error
	// RollbackPath: it is the rollback path that could not be made, which Abandon does without.
	RollbackPath bool
}

func (e *UnfinishedError) Error() string {
	return "the switch went forward; finishing it failed: " + e.Why.Error()
}

// errDecidedAgainst is why a switch was undone when an agent had settled it first.
var errDecidedAgainst = errors.New("the time limit of the hold was over: an agent decided against the switch")

// errLeftAgain is why an old switch is not finished any more.
var errLeftAgain = errors.New("the new side does not serve by this switch any more")
