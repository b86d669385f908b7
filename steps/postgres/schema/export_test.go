package schema

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// Reread has a server read a text and print it, as a comparison does; why is its refusal.
func Reread(ctx context.Context, s postgres.Server, database, kind string, scope []string, text string) (printed, why string, err error) {
	err = postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		version, err := postgres.VersionOf(ctx, conn)
		if err != nil {
			return err
		}
		pad, err := newScratchpad(ctx, conn, version)
		if err != nil {
			return err
		}
		found, err := pad.print(ctx, []scratch{{kind, scope, text}, {"expression", []string{""}, "1"}})
		if err != nil {
			return err
		}
		if printed = found[0].plain(); found[0].refused != nil {
			why = found[0].refused.Message
		}
		return nil
	})
	return printed, why, err
}
