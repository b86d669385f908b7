package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/steps/postgres/transfer"
)

// copySchemaDone: every database is on green with all that the data needs: tables,
// types, functions, and the keys by which replication finds rows.
func copySchemaDone(ctx context.Context, run *Run) (Verdict, error) {
	verdict, err := schemaDone(ctx, run, copy.PreData, schema.PreData)
	if err != nil || !verdict.Done || !GivesIdentities(run.Upgrade) {
		return verdict, err
	}
	blue, err := run.blue(ctx)
	if err != nil {
		return Verdict{}, err
	}
	return alsoSaid(verdict)(showIdentities(ctx, run, blue))
}

// copySchemaRun makes the databases, fenced from their birth, then one Job each. Tables of blue have their replica identity by
// then, so that green gets the same.
func copySchemaRun(ctx context.Context, run *Run) error {
	blue, green, err := run.both(ctx)
	if err != nil {
		return err
	}
	databases, err := applicationDatabases(ctx, run, blue)
	if err != nil {
		return err
	}
	// again: an updated controller then finds the register that it needs
	if err := run.Register(ctx, green); err != nil {
		return err
	}
	if err := transfer.CreateDatabases(ctx, blue, green, databases); err != nil {
		return err
	}
	return eachDatabase(ctx, run, func(ctx context.Context, db string) error {
		if err := giveIdentities(ctx, run, blue, green, db); err != nil {
			return err
		}
		job, err := schemaJob(ctx, run, copy.PreData, db)
		if err != nil {
			return err
		}
		return run.Cluster.CreateJob(ctx, job)
	})
}

// drifted says how green's schema differs after DDL on blue, with the statements that make it equal; it acts if the spec allows
// Gitover to run these. tables, if not empty, describes tables that aren't replicated. Nil if the schemas are equal.
func drifted(ctx context.Context, run *Run, blue, green postgres.Server, db, tables string, part schema.Part) (*Verdict, error) {
	drift, err := schema.Compare(ctx, blue, green, db, part)
	if err != nil || len(drift.Differences) == 0 {
		return nil, err
	}
	ddl, err := schema.EqualizingDDL(ctx, blue, green, db, drift)
	if err != nil {
		return nil, err
	}
	if tables != "" {
		tables += ". "
	}
	differs := fmt.Sprintf("database %q: %sthe schema changed since it was copied: %s", db, tables, some(drift.Differences))
	allowed := run.Upgrade.Spec.ApplyDDL == "BeforeCutover"
	if allowed && dropsRows(drift) {
		differs += ". Gitover doesn't drop tables and columns by itself, since a renamed one looks the same"
	} else if allowed && len(ddl.Statements) > 0 && !run.switching() {
		v := act("%s. Running on %s: %s", differs, green.Instance, ddl.Text())
		v.Reason = v1alpha1.ReasonSchemaDrift // an event
		v.Effect = func(ctx context.Context, run *Run) error {
			// a default that isn't constant may give existing rows other values than on blue
			run.Status.Verification, run.Status.Comparing = nil, nil
			return schema.ApplyDDL(ctx, green, db, ddl)
		}
		return &v, nil
	}
	v := waiting(v1alpha1.ReasonSchemaDrift, "%s. %s, or revert the version and ask for it again", differs, ddlAdvice(ddl, green.Instance))
	return &v, nil
}

// dropsRows: green has tables or columns that blue doesn't have any more, or not under that name.
func dropsRows(drift schema.Drift) bool {
	return slices.ContainsFunc(drift.Extra, func(name string) bool {
		return strings.HasPrefix(name, "table ") || strings.HasPrefix(name, "column ")
	})
}

// ddlAdvice names the statements that people run on an instance.
func ddlAdvice(ddl schema.DDL, instance string) string {
	var parts []string
	if len(ddl.Statements) > 0 {
		parts = append(parts, fmt.Sprintf("Run on %s: %s;", instance, ddl.Text()))
	}
	if len(ddl.Renames) > 0 {
		parts = append(parts, fmt.Sprintf("If something was renamed, run this instead of dropping and creating it: %s;", some(ddl.Renames)))
	}
	if len(ddl.Unknown) > 0 {
		parts = append(parts, fmt.Sprintf("Apply the same change on %s for %s", instance, some(ddl.Unknown)))
	}
	return strings.Join(parts, " ")
}
