package plan

import (
	"context"
	"embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
)

//go:embed sql
var files embed.FS

var query = postgres.Queries(files)

// withWALStatistics is the first version that counts the WAL it writes.
const withWALStatistics = 14

// Database is one that moves.
type Database struct {
	Name string `json:"name"`
	// Tables that are copied, and the bytes of these and of their indexes.
	Tables       int64  `json:"tables"`
	TableBytes   int64  `json:"tableBytes"`
	IndexBytes   int64  `json:"indexBytes"`
	Largest      string `json:"largestTable,omitempty"`
	LargestBytes int64  `json:"largestTableBytes,omitempty"`
}

// Server is what the server that serves says of itself.
type Server struct {
	Version   int
	Findings  []preflight.Finding
	Databases []Database
	Capacity  []preflight.Capacity
	// WALRate in bytes a second over WALSeconds; 0 if it isn't known.
	WALRate, WALSeconds int64
	// MaxWAL and KeptWAL are max_wal_size and max_slot_wal_keep_size in bytes; -1 is no limit.
	MaxWAL, KeptWAL int64
}

// Ask the server that serves. It reads only. An error says that the server couldn't be asked.
func Ask(ctx context.Context, server postgres.Server, upgrade *v1alpha1.PgUpgrade, target string) (*Server, error) {
	ctx, end := postgres.ShareSessions(ctx)
	defer end()
	found, err := controllers.CheckServer(ctx, server, upgrade, target)
	if err != nil {
		return nil, err
	}
	s := &Server{Findings: found}
	if s.Version, err = postgres.Version(ctx, server); err != nil {
		return nil, err
	}
	all, err := postgres.ApplicationDatabases(ctx, server, upgrade.Spec.Databases.Include, upgrade.Spec.Databases.Exclude)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range postgres.Moved(all) {
		size, err := sizeOf(ctx, server, d.Name)
		if err != nil {
			return nil, err
		}
		s.Databases, names = append(s.Databases, size), append(names, d.Name)
	}
	version, _ := postgres.ParseVersion(target)
	if s.Capacity, err = preflight.CapacityOf(ctx, server, steps.RequestOf(upgrade, version, names)); err != nil {
		return nil, err
	}
	return s, s.askWAL(ctx, server)
}

func sizeOf(ctx context.Context, server postgres.Server, database string) (Database, error) {
	d := Database{Name: database}
	err := postgres.WithSession(ctx, server, database, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, query("sizes")).Scan(&d.Tables, &d.TableBytes, &d.IndexBytes, &d.Largest, &d.LargestBytes)
	})
	if err != nil {
		return d, fmt.Errorf("size of database %q on %s: %w", database, server.Instance, err)
	}
	return d, nil
}

func (s *Server) askWAL(ctx context.Context, server postgres.Server) error {
	err := postgres.WithSession(ctx, server, "", func(conn *pgx.Conn) error {
		if err := conn.QueryRow(ctx, query("wal_limits")).Scan(&s.MaxWAL, &s.KeptWAL); err != nil {
			return err
		}
		if s.Version < withWALStatistics {
			return nil
		}
		return conn.QueryRow(ctx, query("wal_rate_14")).Scan(&s.WALRate, &s.WALSeconds)
	})
	if err != nil {
		return fmt.Errorf("WAL of %s: %w", server.Instance, err)
	}
	return nil
}
