package replication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// movingMark is the start of a subscription's comment while a switch moves it. A move follows: after a crash it says
// what to do, without the other server.
const movingMark = "gitover moves this subscription: "

// quietTransaction is quiet for the rest of a transaction, lets literals be read as they are written, and doesn't wait
// for a publisher that never answers.
var quietTransaction = strings.ReplaceAll(postgres.Quietly, "SET ", "SET LOCAL ") + "; SET LOCAL standard_conforming_strings = on; SET LOCAL statement_timeout = '30s'"

// move is the content of a mark.
type move struct {
	Switch string `json:"switch"`
	// Slot on the publisher that the subscription reads once it is enabled here.
	Slot string `json:"slot"`
	// Comment that the subscription had.
	Comment string `json:"comment,omitempty"`
}

func (m move) mark() (string, error) {
	text, err := json.Marshal(m)
	return movingMark + string(text), err
}

// movingSubscription is a row of moving_subscriptions.sql.
type movingSubscription struct {
	Name              string
	OID               uint32
	Enabled           bool
	Slot              string
	Publications      []string
	Owner             string
	Conninfo          string
	SynchronousCommit string
	Comment           string
	Binary            bool
	Streaming         string
	DisableOnError    bool
	PasswordRequired  bool
	RunAsOwner        bool
	Origin            string
	Failover          bool
	// Tables that it replicates.
	Tables []string `db:"-"`
}

// move is the content of its mark; false if it has none.
func (s movingSubscription) move() (m move, marked bool) {
	text, marked := strings.CutPrefix(s.Comment, movingMark)
	if !marked || json.Unmarshal([]byte(text), &m) != nil {
		return move{Comment: s.Comment}, false
	}
	return m, true
}

// create is the statement that creates the subscription on a server of version. It connects to the publisher and doesn't
// change its slot. It holds the connection string.
func (s movingSubscription) create(version int) string {
	options := []string{"create_slot = false", "slot_name = NONE", "enabled = false", "copy_data = false",
		"synchronous_commit = " + postgres.Literal(s.SynchronousCommit)}
	add := func(since int, format string, value any) {
		if version >= since {
			options = append(options, fmt.Sprintf(format, value))
		}
	}
	streaming := s.Streaming
	if streaming == "parallel" && version < 16 {
		streaming = "on"
	}
	add(14, "binary = %t", s.Binary)
	add(14, "streaming = %s", streaming)
	add(15, "disable_on_error = %t", s.DisableOnError)
	add(16, "password_required = %t", s.PasswordRequired)
	add(16, "run_as_owner = %t", s.RunAsOwner)
	add(16, "origin = %s", s.Origin)
	add(17, "failover = %t", s.Failover)
	var publications []string
	for _, p := range s.Publications {
		publications = append(publications, postgres.Ident(p))
	}
	return fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION %s PUBLICATION %s WITH (%s)",
		postgres.Ident(s.Name), postgres.Literal(s.Conninfo), strings.Join(publications, ", "), strings.Join(options, ", "))
}

// MoveSubscriptions prepares the move of the subscriptions in a database that aren't Gitover's, in sessions of switch id
// to both servers: it creates them on the new side, disabled, with a connection to their publisher; disables them on the
// old side; and sets the new ones to begin where the old ones ended. Marks in their comments tell ReturnSubscriptions and
// LandSubscriptions what to do. It returns obstacles, in sentences; then, and after an error, the subscriptions before
// are moved, and ReturnSubscriptions undoes that. A second call finds the first one's work.
func MoveSubscriptions(ctx context.Context, from, to *pgx.Conn, id string) (obstacles []string, err error) {
	return eachMoving(ctx, from, func(s movingSubscription) (string, error) {
		old, _ := s.move()
		mark, err := move{Switch: id, Slot: s.Slot, Comment: old.Comment}.mark()
		if err != nil {
			return "", err
		}
		var obstacle string
		err = pgx.BeginFunc(ctx, to, func(tx pgx.Tx) error {
			obstacle, err = s.makeThere(ctx, tx, mark)
			return err
		})
		if err != nil || obstacle != "" {
			return obstacle, err
		}
		return "", s.beginThere(ctx, from, to, mark)
	})
}

// TryMove returns the obstacles of MoveSubscriptions, in sentences. It rolls back what it creates on the new side.
func TryMove(ctx context.Context, from, to postgres.Server, databases []string) (obstacles []string, err error) {
	err = eachDatabaseWithSubscriptions(ctx, from, databases, true, func(db string, source *pgx.Conn) error {
		return postgres.WithSession(ctx, to, db, func(target *pgx.Conn) error {
			found, err := eachMoving(ctx, source, func(s movingSubscription) (string, error) { return s.try(ctx, target) })
			for _, sentence := range found {
				obstacles = append(obstacles, fmt.Sprintf("database %q: %s", db, sentence))
			}
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("try to move the subscriptions of others from %s to %s: %w", from.Instance, to.Instance, err)
	}
	return obstacles, nil
}

func eachMoving(ctx context.Context, from *pgx.Conn, do func(movingSubscription) (string, error)) (obstacles []string, err error) {
	moving, err := postgres.Collect[movingSubscription](ctx, from, query("moving_subscriptions"), movingMark)
	if err != nil {
		return nil, err
	}
	for _, s := range moving {
		var obstacle string
		if s.Tables, err = followedTables(ctx, from, s.Name); err == nil {
			obstacle, err = do(s)
		}
		if err != nil {
			return nil, fmt.Errorf("subscription %q: %w", s.Name, err)
		}
		if obstacle != "" {
			obstacles = append(obstacles, obstacle)
		}
	}
	return obstacles, nil
}

func followedTables(ctx context.Context, conn postgres.Asker, subscription string) ([]string, error) {
	tables, err := postgres.Column[string](ctx, conn, query("moving_tables"), subscription)
	slices.Sort(tables) // each server has its own collation
	return tables, err
}

func (s movingSubscription) try(ctx context.Context, to *pgx.Conn) (obstacle string, err error) {
	tx, err := to.Begin(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	obstacle, err = s.makeThere(ctx, tx, "")
	if refused := postgres.TriedAndRefused(err); refused != nil { // e.g. the publisher can't be reached from there
		return fmt.Sprintf("subscription %s can't be moved: %s", postgres.Ident(s.Name), refused.Message), nil
	}
	return obstacle, err
}

// makeThere creates the subscription on the new side unless there is an obstacle. It replaces one that an earlier switch
// left there.
func (s movingSubscription) makeThere(ctx context.Context, tx pgx.Tx, mark string) (obstacle string, err error) {
	version, err := postgres.VersionOf(ctx, tx.Conn())
	if err != nil {
		return "", err
	}
	statements := []string{
		quietTransaction,
		s.create(version),
		"ALTER SUBSCRIPTION " + postgres.Ident(s.Name) + " OWNER TO " + postgres.Ident(s.Owner),
		"COMMENT ON SUBSCRIPTION " + postgres.Ident(s.Name) + " IS " + postgres.Literal(mark),
	}
	var left bool
	switch err := tx.QueryRow(ctx, query("moved_away"), s.Name).Scan(&left); {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return "", err
	case !left:
		return fmt.Sprintf("subscription %s moves, and the new side has another one of that name: drop that", postgres.Ident(s.Name)), nil
	default:
		statements = append([]string{"DROP SUBSCRIPTION " + postgres.Ident(s.Name)}, statements...)
	}
	for _, statement := range statements {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return "", err
		}
	}
	tables, err := followedTables(ctx, tx, s.Name)
	if err != nil || slices.Equal(tables, s.Tables) {
		return "", err
	}
	return fmt.Sprintf("subscription %s doesn't follow all tables of its publications, or still copies (%s): ALTER SUBSCRIPTION %s REFRESH PUBLICATION, and wait for the copies",
		postgres.Ident(s.Name), strings.Join(unlike(s.Tables, tables), ", "), postgres.Ident(s.Name)), nil
}

// beginThere disables the subscription on the old side, and sets the new side's to begin where it ended. Its publisher waits from
// here on.
func (s movingSubscription) beginThere(ctx context.Context, from, to *pgx.Conn, mark string) error {
	if err := s.mark(ctx, from, mark, "DISABLE"); err != nil {
		return err
	}
	if err := awaitNoWorker(ctx, from, s.Name); err != nil {
		return err
	}
	var position *string
	// flushed: everything up to this position is in the WAL that the new side gets
	if err := from.QueryRow(ctx, "SELECT pg_replication_origin_progress('pg_' || $1::text, true)::text", fmt.Sprint(s.OID)).Scan(&position); err != nil || position == nil {
		return err
	}
	return to.QueryRow(ctx, query("start_from"), s.Name, *position).Scan(nil, nil)
}

// unlike are the first few entries that only one of two lists has.
func unlike(a, b []string) []string {
	var only []string
	for _, lists := range [][2][]string{{a, b}, {b, a}} {
		for _, item := range lists[0] {
			if !slices.Contains(lists[1], item) && len(only) < 3 {
				only = append(only, item)
			}
		}
	}
	return only
}

// errMovedOn: another controller changed a subscription since it was read.
var errMovedOn = errors.New("another process moves it")

// mark replaces the comment that was read, together with changes of the subscription. It does nothing if the comment has
// changed: then another controller has taken over.
func (s movingSubscription) mark(ctx context.Context, conn *pgx.Conn, comment string, changes ...string) error {
	words := "NULL"
	if comment != "" {
		words = postgres.Literal(comment)
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, postgres.FrozenAfter+"; SET LOCAL standard_conforming_strings = on"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", movingMark+s.Name); err != nil {
			return err
		}
		var now string
		if err := tx.QueryRow(ctx, "SELECT coalesce(obj_description($1::oid, 'pg_subscription'), '')", s.OID).Scan(&now); err != nil {
			return err
		}
		if now != s.Comment {
			return errMovedOn
		}
		for _, change := range changes {
			if _, err := tx.Exec(ctx, "ALTER SUBSCRIPTION "+postgres.Ident(s.Name)+" "+change); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "COMMENT ON SUBSCRIPTION "+postgres.Ident(s.Name)+" IS "+words)
		return err
	})
}
