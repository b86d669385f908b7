package preflight

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// PhysicalCopy names everything on blue that keeps its data directory from being copied and upgraded, as findings of the rule
// physical_copy; none: it is possible, as far as blue can tell. What only the new image can tell, such as a library of an
// extension that it doesn't have, the copy itself finds. Reads only.
func PhysicalCopy(ctx context.Context, blue postgres.Server, req Request) ([]Finding, error) {
	p := pass{request: req}
	r := ruleNamed("physical_copy")
	look := func(database, name string) error {
		return postgres.WithSession(ctx, blue, database, func(conn *pgx.Conn) error {
			if err := p.tell(ctx, conn); err != nil {
				return err
			}
			rows, err := postgres.Collect[evidence](ctx, conn, query(name))
			for _, e := range rows {
				p.findings = append(p.findings, r.finding(e, database, req))
			}
			return err
		})
	}
	if err := look("", "physical_server"); err != nil {
		return nil, fmt.Errorf("physical copy of %s: %w", blue.Instance, err)
	}
	for _, database := range req.Databases {
		if err := look(database, "physical_database"); err != nil {
			return nil, fmt.Errorf("physical copy of database %q of %s: %w", database, blue.Instance, err)
		}
	}
	if len(p.findings) > 0 {
		return p.findings, nil
	}
	refused, err := postgres.ReplicationRefused(ctx, blue)
	if err != nil {
		return nil, err
	}
	if refused != nil {
		p.findings = append(p.findings, r.finding(evidence{
			Object: "pg_hba.conf", Detail: strings.TrimSuffix(refused.Error(), "."),
			Fix: fmt.Sprintf("Add a line such as: host replication %s all scram-sha-256 (\"all\" among the databases doesn't cover replication), then SELECT pg_reload_conf();", blue.User),
		}, "", req))
	}
	return p.findings, nil
}

// CanCopyPhysically is the finding that says so.
func CanCopyPhysically(req Request) Finding {
	return ruleNamed("physical_copy_possible").finding(evidence{Object: "the data directory"}, "", req)
}

// NoPhysicalCopy is the finding of something else that keeps it from being possible.
func NoPhysicalCopy(req Request, why string) Finding {
	return ruleNamed("physical_copy").finding(evidence{Object: "the new instance", Detail: why, Fix: "Nothing to do."}, "", req)
}

// copyMethod adds what a physical copy needs to the findings of a check that asks for it.
func (p *pass) copyMethod(ctx context.Context, blue postgres.Server) error {
	if !p.request.PhysicalCopy {
		return nil
	}
	found, err := PhysicalCopy(ctx, blue, p.request)
	if err == nil && len(found) == 0 {
		found = []Finding{CanCopyPhysically(p.request)}
	}
	p.findings = append(p.findings, found...)
	return err
}
