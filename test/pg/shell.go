package pg

import (
	"bytes"
	"context"
)

// Shell runs a script by sh in the server's root file system, beside the running server and
// with its data directory as $1, and returns what it printed.
func (s *Server) Shell(ctx context.Context, script string) string {
	s.t.Helper()
	cmd := command(ctx, s.root, s.Major, s.dir, "KILL", nil, "/bin/sh", "-c", script, "sh", "/mnt/data")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("in PostgreSQL %d: %v\n%s%s", s.Major, err, out.String(), errs.String())
	}
	return out.String()
}
