package steps

import (
	"context"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/failover"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/switchover"
)

// replaced is Replaced for the run's two servers.
func (r *Run) replaced(ctx context.Context, servers ...postgres.Server) (string, error) {
	return failover.Replaced(ctx, failover.KnownServers(*r.Status, r.Proxy), r.Upgrade.Spec.Acknowledge, servers...)
}

// compared says whether the last comparison was of these servers, whatever its result.
func (r *Run) compared(ctx context.Context, servers ...postgres.Server) (bool, error) {
	now, err := failover.Identities(ctx, servers...)
	if err != nil || r.Status.Verification == nil {
		return false, err
	}
	for _, id := range now {
		if !slices.Contains(r.Status.Verification.Servers, id) {
			return false, nil
		}
	}
	return true, nil
}

// survivesFailover makes a step before the cutover commit look first whether a primary was replaced. What was lost with it is
// copied again by CopyData; Verify compares rows.
func survivesFailover(s Step) Step {
	look := s.Done
	s.Done = func(ctx context.Context, run *Run) (Verdict, error) {
		v, err := recovery{run, run.Status.From, run.Status.To, false}.look(ctx)
		if v != nil || err != nil {
			return ptr.Deref(v, Verdict{}), err
		}
		return look(ctx, run)
	}
	return s
}

// recovers is the verdict of a step after the cutover commit, or of the wait after a rollback, while a failover of either side isn't
// recovered from: what was lost is copied again, and rows are compared. Nil once both sides are equal.
func recovers(ctx context.Context, run *Run, serves, follows string) (*Verdict, error) {
	return recovery{run, serves, follows, true}.look(ctx)
}

// recovery of the replication between two instances after a failover of either.
type recovery struct {
	run             *Run
	serves, follows string
	// served: the side that follows has served, or may be about to. Its rows aren't overwritten if it has commits that the serving
	// side lost, and no step after this one compares rows.
	served bool
}

func (r recovery) look(ctx context.Context) (*Verdict, error) {
	run := r.run
	if run.switching() {
		return nil, nil
	}
	if r.served && failover.NoteOpened(run.Status, run.Proxy, timestamp(run.Now())) {
		return r.announced(), nil
	}
	publisher, subscriber, err := run.pair(ctx, r.serves, r.follows)
	if err != nil {
		return nil, err
	}
	now, err := failover.Identities(ctx, publisher, subscriber)
	if err != nil {
		switch {
		case !r.served:
			return nil, err
		case failover.HoldsRows(*run.Status): // whoever doesn't answer
			return r.question(), nil
		}
		return nil, nil // the PgProxy reports it, and the soak continues
	}
	if v, err := r.noticed(ctx, publisher, subscriber, now); v != nil || err != nil || run.Status.Failover == nil {
		return v, err
	}
	if v := r.asks(); v != nil {
		return v, nil
	}
	lost, begin, err := r.severed(ctx, publisher, subscriber)
	if err != nil {
		return nil, err
	}
	failover.AskSuspected(run.Status.Failover, lost, run.Upgrade.Spec.Retry)
	if v := r.asks(); v != nil {
		return v, nil
	}
	lost = failover.With(lost, run.Status.Failover.CopyAgain)
	switch {
	case len(lost)+len(begin) > 0:
		return r.restores(ctx, lost, begin)
	case r.served:
		return r.compares(ctx, publisher, subscriber)
	}
	return nil, nil
}

// noticed notes that a primary is another one than before. The status is stored before anything is done about it, so that no switch
// begins meanwhile.
func (r recovery) noticed(ctx context.Context, publisher, subscriber postgres.Server, now []v1alpha1.ServerIdentity) (*Verdict, error) {
	status := r.run.Status
	for _, id := range now {
		if id.Timeline == 0 {
			return ptr.To(awaitsPromotion(id.Instance)), nil
		}
		k := slices.IndexFunc(status.Servers, func(s v1alpha1.ServerIdentity) bool { return s.Instance == id.Instance })
		if k < 0 {
			status.Servers = append(status.Servers, id)
			continue
		}
		if status.Servers[k] == id {
			continue
		}
		was := status.Servers[k]
		f := failover.After(status.Failover, id.Instance, timestamp(r.run.Now()))
		f.Message = failover.ReplacedBy(was, id)
		severed, begin, err := r.severed(ctx, publisher, subscriber)
		if err != nil {
			return nil, err
		}
		if r.served {
			if err := r.onlyThere(ctx, publisher, subscriber, failover.IdentityOf(was), severed, &f); err != nil {
				return nil, err
			}
		}
		status.Servers[k] = id
		if len(severed)+len(begin)+len(f.CopyAgain)+len(f.Suspected)+len(f.Ahead) == 0 && slices.Contains(r.run.Upgrade.Spec.Acknowledge, switchover.ReplacedPrimary) {
			continue
		}
		status.Failover, status.Verification, status.Comparing = &f, nil, nil
		return r.announced(), nil
	}
	return nil, nil
}

// announced is the verdict about what was just noted.
func (r recovery) announced() *Verdict {
	v := waiting(v1alpha1.ReasonPrimaryReplaced, "%s", r.run.Status.Failover.Message)
	v.RequeueAfter = moment
	return &v
}

// awaitsPromotion while an instance's address leads to a standby, as for a moment during a failover.
func awaitsPromotion(instance string) Verdict {
	return waiting(v1alpha1.ReasonPrimaryReplaced, "the address of %s leads to a standby; waiting until one is promoted", instance)
}

// onlyThere adds databases in which only the side that follows has some commits: the serving side lost them with its former primary,
// or the side that follows forgot, with its own, that it was left, and let applications in. Where replication isn't severed, what
// follows may have come from the new primary, too.
func (r recovery) onlyThere(ctx context.Context, publisher, subscriber postgres.Server, was postgres.Identity, severed []string, f *v1alpha1.FailoverStatus) error {
	var found []string
	var err error
	if f.Instance == r.serves {
		found, err = failover.Ahead(ctx, publisher, subscriber, r.run.Status.Databases, was, r.run.Names())
		found = failover.Suspect(f, found, severed)
	} else if found, err = fence.OpenDatabases(ctx, subscriber, r.run.Status.Databases); len(found) > 0 {
		f.Message += "; it had forgotten that it was left, and let applications in"
	}
	failover.Ask(f, found, r.run.Upgrade.Spec.Retry)
	return err
}

// asks people before rows are overwritten that only the side that follows still has. A value of spec.retry that is newer than the
// question is their answer.
func (r recovery) asks() *Verdict {
	f := r.run.Status.Failover
	if len(f.Ahead) == 0 {
		return nil
	}
	if !r.served || r.run.Upgrade.Spec.Retry != f.Retry {
		failover.Consent(f)
		r.run.Status.HandledRetry = r.run.Upgrade.Spec.Retry
		return nil
	}
	return r.question()
}

// question to people, or what is waited for before it is one.
func (r recovery) question() *Verdict {
	f := r.run.Status.Failover
	if len(f.Ahead) == 0 {
		return ptr.To(waiting(v1alpha1.ReasonPrimaryReplaced, "%s. %s may have commits that clients saw confirmed and %s lacks (databases: %s); rows are compared once both answer",
			f.Message, r.follows, r.serves, some(f.Suspected)))
	}
	v := waiting(v1alpha1.ReasonCommitsLost, "%s. %s has, or may have, commits that clients saw confirmed and %s lacks (databases: %s). Nothing is overwritten: bring the rows that you need from %s to %s; "+
		"then change spec.retry, and %s is copied again", f.Message, r.follows, r.serves, some(f.Ahead), r.follows, r.serves, r.follows)
	return &v
}

// copiesAgain is the verdict while databases are to be copied again.
func (r recovery) copiesAgain(lost []string) *Verdict {
	f := r.run.Status.Failover
	f.CopyAgain = lost
	v := slowly("%s. %s is copied again, since replication can't continue (databases: %s); %s serves", f.Message, r.follows, some(lost), r.serves)
	v.Reason = v1alpha1.ReasonPrimaryReplaced // an event
	v.Effect = r.copyAgain
	if !r.served && r.run.Status.Step != CopyData {
		v = Verdict{ReturnTo: CopyData, Message: v.Message}
	}
	return &v
}

// copyAgain has databases copied again, unless a switch has begun or applications were let in meanwhile. A second run begins again with
// those that weren't noted.
func (r recovery) copyAgain(ctx context.Context, run *Run) error {
	publisher, subscriber, err := run.pair(ctx, r.serves, r.follows)
	if err != nil {
		return err
	}
	var copied []string
	for _, db := range slices.Clone(run.Status.Failover.CopyAgain) {
		if run.FreshProxy != nil {
			if err := failover.Undisturbed(ctx, *run.Status, subscriber, r.served, run.FreshProxy); err != nil {
				return err
			}
		}
		if err := replication.CopyAgain(ctx, publisher, subscriber, db, run.Names()); err != nil {
			return err
		}
		copied = append(copied, db)
		all := slices.Clone(copied)
		run.Note(func(s *v1alpha1.PgUpgradeStatus) { failover.NoteCopied(s.Failover, all) })
	}
	return nil
}

// beginsWithin is how long replication may take to begin after a failover before that is reported as a problem.
const beginsWithin = time.Minute

// compares rows once every table is replicated. Databases that differ are copied again, each once after a failover.
func (r recovery) compares(ctx context.Context, publisher, subscriber postgres.Server) (*Verdict, error) {
	run := r.run
	f := run.Status.Failover
	if r.served { // what is written there while rows are compared isn't seen
		if open, err := fence.OpenDatabases(ctx, subscriber, run.Status.Databases); err != nil || len(open) > 0 {
			return ptr.To(waiting(v1alpha1.ReasonPrimaryReplaced, "%s. %s lets applications in (databases: %s); rows are compared once the PgProxy's controller has fenced it",
				f.Message, r.follows, some(open))), err
		}
	}
	for _, db := range run.Status.Databases {
		state, err := replication.SubscriptionState(ctx, subscriber, db, run.Names().Subscription(db, r.follows))
		if err != nil {
			return nil, err
		}
		if !state.ReplicationReady() {
			v := waiting(v1alpha1.ReasonPrimaryReplaced, "%s. %s follows again: %d of %d tables of database %q", f.Message, r.follows, state.Ready, state.Tables, db)
			if run.Now().Sub(f.At.Time) < beginsWithin {
				return &v, nil
			}
			if stopped, err := stoppedIn(ctx, run, publisher, subscriber, db); stopped != nil || err != nil {
				return stopped, err
			}
			return &v, nil
		}
	}
	if slices.Contains(run.Upgrade.Spec.Acknowledge, switchover.ReplacedPrimary) && len(f.Suspected) == 0 {
		run.Status.Failover = nil
		return nil, nil
	}
	done, err := run.compared(ctx, publisher, subscriber)
	if err != nil {
		return nil, err
	}
	v := run.Status.Verification
	switch {
	case !done || len(v.Mismatches) > 0 && run.Now().Sub(v.At.Time).Abs() > verifyAgain:
		compare := slowly("%s; comparing rows, since %s may lack some%s", f.Message, r.follows, comparingText(run.Status.Comparing))
		compare.Effect = func(ctx context.Context, run *Run) error { return compareRows(ctx, run, publisher, subscriber) }
		return &compare, nil
	case len(v.Mismatches) == 0:
		run.Status.Failover = nil
		return nil, nil
	}
	again := failover.TakeDiffering(run.Status, run.Upgrade.Spec.Retry)
	switch {
	case len(f.Ahead) > 0:
		return r.question(), nil
	case len(again) > 0:
		return r.copiesAgain(again), nil
	}
	differ := waiting(v1alpha1.ReasonVerificationFailed, "%s, and %d differences were found: %s. Don't return to %s before they are fixed; compared again every %s",
		f.Message, len(v.Mismatches), some(v.Mismatches), r.follows, verifyAgain)
	return &differ, nil
}
