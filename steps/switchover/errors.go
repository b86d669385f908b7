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
	// Message for people: the reason, and what to do.
	Message string
	// Session that is the reason, if one is.
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

// The three errors that follow say how a switch ended. They deliberately don't unwrap: the
// cause must not be taken for the result (e.g. an AbortedError for a WaitingError).

// AbortedError: the switch was undone; traffic is on the old side. Worth a retry with a new id.
type AbortedError struct {
	// Why it was given up: one of this package's errors, or another one.
	Why error
	// Parts measured until then, so that an abort shows where time went.
	Result Result
	// WrongMoment: a hold would have taken, or took, longer than Limits.StallBudget, and patience lasts. Nothing is wrong
	// otherwise, and another attempt may follow at once.
	WrongMoment bool
}

func (e *AbortedError) Error() string { return "the switch was undone: " + e.Why.Error() }

// UndecidedError: the decision could not be read from the old side's register. Agents release
// held clients within the limit; call Recover until the register answers.
type UndecidedError struct{ Why error }

func (e *UndecidedError) Error() string {
	return "whether the switch went forward is not known yet: " + e.Why.Error()
}

// UnfinishedError: the switch went forward for good, but what follows it is not done yet. Call
// Recover until it is.
type UnfinishedError struct {
	Why error
	// RollbackPath: the rollback path could not be made. Abandon ends the switch without it.
	RollbackPath bool
}

func (e *UnfinishedError) Error() string {
	return "the switch went forward; finishing it failed: " + e.Why.Error()
}

// errDecidedAgainst is why a switch was undone that an agent had aborted first.
var errDecidedAgainst = errors.New("the time limit of the hold was over: an agent decided against the switch")

// errLeftAgain is why an old switch is not finished any more.
var errLeftAgain = errors.New("the new side does not serve by this switch any more")
