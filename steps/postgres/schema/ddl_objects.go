package schema

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// objects of one side, by name.
type objects struct {
	things  map[string][]ddlThing
	columns map[string]ddlColumn
	rights  map[string][]ddlRight
}

type ddlThing struct {
	Name        string
	Rank        int
	Make, Alter []*string
	Drop        *string
}

type ddlColumn struct {
	Name, Table, Column, Type string
	NotNull                   bool
	Default, Made             string
	// Place among the columns of its table, from 1.
	Place int64
	// Inherited from a parent, whose statement changes it.
	Inherited bool
	// Storage by its name, and the target of its statistics; -1 for the default.
	Storage    string
	Statistics int32
}

type ddlRight struct {
	Name, Target, Grantee, Privilege string
	Grantable, Own                   bool
}

func (o *objects) read(ctx context.Context, conn *pgx.Conn, names []string) error {
	o.things, o.columns, o.rights = map[string][]ddlThing{}, map[string]ddlColumn{}, map[string][]ddlRight{}
	if len(names) == 0 {
		return nil
	}
	things, err := postgres.Collect[ddlThing](ctx, conn, query("ddl"), postgres.Schema, names)
	if err != nil {
		return err
	}
	for _, t := range things {
		o.things[t.Name] = append(o.things[t.Name], t)
	}
	columns, err := postgres.Collect[ddlColumn](ctx, conn, query("ddl_columns"), postgres.Schema, names)
	if err != nil {
		return err
	}
	for _, c := range columns {
		o.columns[c.Name] = c
	}
	rights, err := postgres.Collect[ddlRight](ctx, conn, query("ddl_rights"), postgres.Schema, names)
	for _, r := range rights {
		o.rights[r.Name] = append(o.rights[r.Name], r)
	}
	return err
}
