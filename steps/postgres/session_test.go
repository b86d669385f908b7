package postgres_test

import (
	"context"
	"testing"

	"github.com/gitover/gitover/test/pg"
)

// What Gitover says is done must be there after a crash of the server.
func TestGitoversCommitsAreDurableWhateverTheServersDefault(t *testing.T) {
	s := pg.Start(t, 15, pg.Settings{"synchronous_commit": "off"})
	s.Exec("", "ALTER ROLE postgres SET synchronous_commit = off; ALTER DATABASE postgres SET synchronous_commit = off")
	conn, err := s.Connect(t.Context(), "")
	must(t, err)
	defer conn.Close(context.Background())
	var value string
	must(t, conn.QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&value))
	if value != "on" {
		t.Errorf("synchronous_commit is %s", value)
	}
}
