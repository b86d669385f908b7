package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// reach has subscriber connect to publisher as its subscriptions will, for replication and with their
// connection string, and takes that back. refused is PostgreSQL's reason when it can't; err is for a subscriber that
// can't be asked. Changes nothing.
func reach(ctx context.Context, subscriber, publisher Server, n Names) (refused, err error) {
	err = withQuietSession(ctx, subscriber, "", func(conn *pgx.Conn) error {
		version, err := versionOf(ctx, conn)
		if err != nil {
			return err
		}
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
		_, err = tx.Exec(ctx, fmt.Sprintf("SET LOCAL statement_timeout = '30s'; CREATE SUBSCRIPTION %s CONNECTION %s PUBLICATION none WITH (create_slot = false, slot_name = NONE, enabled = false, copy_data = false)",
			ident(n.Prefix()+"reach"), literal(conninfo(publisher, publisher.MaintenanceDatabase, version))))
		if said := triedAndRefused(err); said != nil {
			refused, err = errors.New(said.Message), nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("have %s try to reach %s: %w", subscriber.Instance, publisher.Instance, err)
	}
	return refused, nil
}

// triedAndRefused is PostgreSQL's answer to something that Gitover tried with the rights to; nil if it was none.
func triedAndRefused(err error) *pgconn.PgError {
	var said *pgconn.PgError
	if errors.As(err, &said) && !RightsMissing(err) {
		return said
	}
	return nil
}

// eachReachesTheOther finds, days before it is needed, a side that can't replicate from the other.
func (p *pass) eachReachesTheOther(ctx context.Context, blue, green Server) error {
	ways := [][2]Server{{green, blue}}
	if p.request.WayBack {
		ways = append(ways, [2]Server{blue, green})
	}
	for _, way := range ways {
		subscriber, publisher := way[0], way[1]
		refused, err := reach(ctx, subscriber, publisher, p.request.Names)
		if err != nil {
			return err
		}
		if refused != nil {
			p.findings = append(p.findings, ruleNamed("connection").finding(evidence{
				Object: subscriber.Instance + " to " + publisher.Instance,
				Detail: strings.TrimSuffix(refused.Error(), "."),
				Fix: fmt.Sprintf("Let %s reach %s:%d: network policies, pg_hba.conf (replication goes by the database's name), max_wal_senders, certificates (sslRootCert is a file on %s).",
					subscriber.Instance, publisher.Host, publisher.Port, subscriber.Instance),
			}, "", p.request))
		}
	}
	return nil
}

func ruleNamed(name string) rule {
	return rules[slices.IndexFunc(rules, func(r rule) bool { return r.Name == name })]
}
