package steps

import (
	"strings"
	"testing"

	"github.com/gitover/gitover/api/v1alpha1"
)

// TestDDLBeforeTheCutover is named within a look, with what to run on the new server, and run there if Git says so. Rows that have the
// new column wait for it.
func TestDDLBeforeTheCutover(t *testing.T) {
	p := newPair(t, 15, 17)
	p.done(CopyData)
	p.done(CatchUp)
	p.blue.Exec("d", "ALTER TABLE first ADD COLUMN note text DEFAULT 'none'; CREATE INDEX noted ON first (lower(note))")
	p.blue.Exec("d", "INSERT INTO first VALUES (1, 'new')")
	p.blue.Exec("d", "CREATE TABLE second (id int PRIMARY KEY)")
	p.blue.Exec("d", "INSERT INTO second VALUES (7)")
	p.until(CatchUp, "the drift is named", func(v Verdict) bool { // PostgreSQL stops at the row, which may be said first
		return v.Reason == v1alpha1.ReasonSchemaDrift && !v.RunNeeded && strings.Contains(v.Message, "ALTER TABLE public.first ADD COLUMN note text DEFAULT 'none'::text") &&
			strings.Contains(v.Message, "CREATE TABLE public.second")
	})
	p.run.Upgrade.Spec.ApplyDDL = "BeforeCutover"
	p.run.Status.Verification = &v1alpha1.VerificationStatus{}
	p.done(CatchUp)
	p.arrives("SELECT note FROM first", "new")
	p.arrives("SELECT id FROM second", "7")
	if got := p.green.Query("d", "SELECT count(*) FROM pg_indexes WHERE indexname = 'noted'"); got != "1" {
		t.Errorf("%s indexes", got)
	}
	if p.run.Status.Verification != nil {
		t.Error("rows aren't compared again")
	}
	p.until(Approve, "back to Verify", func(v Verdict) bool { return v.ReturnTo == Verify })

	// a column that was renamed must not be dropped with what is in it
	p.blue.Exec("d", "ALTER TABLE first RENAME COLUMN note TO remark")
	p.says(CatchUp, v1alpha1.ReasonSchemaDrift, "Gitover doesn't drop tables and columns by itself", "ALTER TABLE public.first DROP COLUMN note",
		"If something was renamed", "ALTER TABLE public.first RENAME COLUMN note TO remark")
	p.green.Exec("d", "SET default_transaction_read_only = off; ALTER TABLE first RENAME COLUMN note TO remark")
	p.done(CatchUp)
	p.arrives("SELECT remark FROM first", "new")
}
