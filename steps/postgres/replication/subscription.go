package replication

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// SubscribeOptions say what a subscription reads.
type SubscribeOptions struct {
	Publisher postgres.Server
	Database  string
	Names     postgres.Names
	// CopyData starts with a copy of every table.
	CopyData bool
	// From is a position on the publisher: what it committed before is not sent. The subscriber
	// remembers it, because the publisher may not: if its server crashes before a checkpoint, an
	// advanced slot is back at its former position. If empty, everything that the slot has is
	// sent.
	From string
	// Copied, if not nil, is done in the transaction that makes the subscription, before that is enabled: it says where the subscription begins
	// with tables that were copied by other means.
	Copied func(ctx context.Context, tx pgx.Tx, subscription string) error
	// disabled makes the subscription without starting it.
	disabled bool
	// failover: the publisher has slots of which standbys keep a copy.
	failover bool
}

// PrepareSubscription makes the subscription of o, disabled, without a copy: the subscriber connects to the
// publisher, so that a problem of the network, a certificate or pg_hba.conf is found now. Success if it
// exists. CreateSubscription with a position enables it.
func PrepareSubscription(ctx context.Context, subscriber postgres.Server, o SubscribeOptions) error {
	o.disabled, o.From, o.CopyData = true, "", false
	return CreateSubscription(ctx, subscriber, o)
}

// createSubscription has only options that every subscriber has, except for run_as_owner: from
// 16 on it keeps the behavior of earlier versions, so that a table owner's missing rights or
// forced row-level security don't stop the apply worker.
func createSubscription(o SubscribeOptions, name, connection string, version int, c commits) string {
	more := ", " + c.option()
	if version >= postgres.WithRunAsOwner {
		more += ", run_as_owner = true"
	}
	if o.failover && version >= postgres.WithFailoverSlots { // without it the slot would lose the option
		more += ", failover = true"
	}
	return fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION %s PUBLICATION %s WITH (create_slot = false, slot_name = %s, enabled = %t, copy_data = %t%s)",
		postgres.Ident(name), postgres.Literal(connection), postgres.Ident(o.Names.Publication()), postgres.Literal(name), o.From == "" && !o.disabled && o.Copied == nil, o.CopyData, more)
}

// CreateSubscription subscribes o.Database on subscriber to the slot that CreateSlot made on
// the publisher, and enables it; success when it is there. With CopyData the tables
// are emptied first, which only a fenced database allows, in one transaction with the check that
// the subscription doesn't exist yet: a controller that was paused before that can't empty what
// another one's subscription has copied. The password doesn't reach the server's log.
func CreateSubscription(ctx context.Context, subscriber postgres.Server, o SubscribeOptions) error {
	name := o.Names.Subscription(o.Database, subscriber.Instance)
	if err := noteSubscriber(ctx, subscriber, o); err != nil {
		return err
	}
	publisher, err := postgres.Version(ctx, o.Publisher)
	if err != nil {
		return err
	}
	o.failover = publisher >= postgres.WithFailoverSlots
	err = postgres.WithQuietSession(ctx, subscriber, o.Database, func(conn *pgx.Conn) error {
		version, err := postgres.VersionOf(ctx, conn)
		if err != nil {
			return err
		}
		var made bool
		err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if made, err = createOnce(ctx, tx, o, name, version); err != nil || !made {
				return err
			}
			// with it: enabled without its position it would apply again what the copy has
			if o.Copied != nil {
				return startCopied(ctx, tx, o, name)
			}
			return startFrom(ctx, tx, name, o.From)
		})
		if err != nil {
			return err
		}
		if !made && o.From == "" { // with a position clients may be waiting
			if _, err := renewConnection(ctx, conn, o.Publisher, o.Database, name); err != nil {
				return err
			}
		}
		return startFrom(ctx, conn, name, o.From)
	})
	if err != nil {
		return fmt.Errorf("subscribe database %q of %s to %s: %w", o.Database, subscriber.Instance, o.Publisher.Instance, err)
	}
	return nil
}

// createOnce makes the subscription unless it is there.
func createOnce(ctx context.Context, tx pgx.Tx, o SubscribeOptions, name string, version int) (made bool, err error) {
	if _, err := tx.Exec(ctx, postgres.FrozenAfter); err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", name); err != nil {
		return false, err
	}
	var there bool
	if err := tx.QueryRow(ctx, query("subscription_exists"), name).Scan(&there); err != nil || there {
		return false, err
	}
	if o.CopyData {
		if err := postgres.EmptyTables(ctx, tx); err != nil {
			return false, err
		}
	}
	c := lazyCommits
	if o.CopyData {
		c = durableCommits
	}
	if c, err = c.orShared(ctx, tx); err != nil {
		return false, err
	}
	_, err = tx.Exec(ctx, createSubscription(o, name, Conninfo(o.Publisher, o.Database, version), version, c))
	return true, err
}

// startCopied enables a subscription once each table has its position.
func startCopied(ctx context.Context, tx pgx.Tx, o SubscribeOptions, name string) error {
	if err := o.Copied(ctx, tx, name); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "ALTER SUBSCRIPTION "+postgres.Ident(name)+" ENABLE")
	return err
}

// startFrom enables a subscription that was made to begin at a position. Success when it is
// enabled already.
func startFrom(ctx context.Context, conn postgres.Execer, name, position string) error {
	if position == "" {
		return nil
	}
	var enabled bool
	if err := conn.QueryRow(ctx, query("start_from"), name, position).Scan(&enabled, nil); err != nil || enabled {
		return err
	}
	_, err := conn.Exec(ctx, "ALTER SUBSCRIPTION "+postgres.Ident(name)+" ENABLE")
	return err
}

// SetSubscriptionEnabled enables or disables a subscription; after disabling it returns when
// no worker is left. Success if nothing is to change.
func SetSubscriptionEnabled(ctx context.Context, subscriber postgres.Server, database, name string, on bool) error {
	err := postgres.WithSession(ctx, subscriber, database, func(conn *pgx.Conn) error {
		verb := " DISABLE"
		if on {
			verb = " ENABLE"
		}
		if _, err := conn.Exec(ctx, "ALTER SUBSCRIPTION "+postgres.Ident(name)+verb); err != nil || on {
			return err
		}
		return awaitNoWorker(ctx, conn, name)
	})
	if err != nil {
		return fmt.Errorf("enable or disable subscription %q in database %q of %s: %w", name, database, subscriber.Instance, err)
	}
	return nil
}

// leaveByThemselves is how long a worker that has copied a table and catches up gets to end by itself: a
// worker that is terminated at that moment may have dropped its slot without recording it
// (OrphanedTableSyncs).
const leaveByThemselves = 2 * time.Second

// awaitNoWorker returns when the last worker of a disabled subscription has ended. Workers that
// wait for a lock or a slow publisher are terminated.
func awaitNoWorker(ctx context.Context, conn *pgx.Conn, name string) error {
	begun := time.Now()
	return postgres.WaitUntil(ctx, 20*time.Millisecond, func() (gone bool, err error) {
		err = conn.QueryRow(ctx, query("end_subscription_workers"), name, time.Since(begun) > leaveByThemselves).Scan(&gone)
		return gone, err
	})
}

// DropSubscription removes a subscription and its replication origin without touching the
// publisher: the slot stays (DropSlot). Success when absent, also when the database is.
func DropSubscription(ctx context.Context, subscriber postgres.Server, database, name string) error {
	err := postgres.WithSession(ctx, subscriber, database, func(conn *pgx.Conn) error {
		var there bool
		if err := conn.QueryRow(ctx, query("subscription_exists"), name).Scan(&there); err != nil || !there {
			return err
		}
		for _, statement := range dropSubscription(name) {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return err
			}
			if err := awaitNoWorker(ctx, conn, name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !postgres.DatabaseMissing(err) {
		return fmt.Errorf("drop subscription %q in database %q of %s: %w", name, database, subscriber.Instance, err)
	}
	return nil
}

// dropSubscription are separate transactions: a worker must see that it is disabled. The
// origin goes with the subscription.
func dropSubscription(name string) []string {
	q := postgres.Ident(name)
	return []string{
		"ALTER SUBSCRIPTION " + q + " DISABLE",
		"ALTER SUBSCRIPTION " + q + " SET (slot_name = NONE)",
		"DROP SUBSCRIPTION IF EXISTS " + q,
	}
}

// FiringTriggers is the query for triggers and rules that fire where changes are applied.
var FiringTriggers = query("firing_triggers")

// FiresOnApply says whether database has triggers or rules that fire where changes are
// applied. Reads only.
func FiresOnApply(ctx context.Context, s postgres.Server, database string) (bool, error) {
	fires, err := postgres.Scalar[bool](ctx, s, database, "SELECT EXISTS ("+FiringTriggers+")")
	if err != nil {
		return false, fmt.Errorf("triggers of database %q on %s: %w", database, s.Instance, err)
	}
	return fires, nil
}
