package controllers

import (
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// PostgreSQL itself says nothing when it skips the changes of a table that it doesn't know.
func TestTheWayBackTakesUpATableThatIsMadeDuringTheSoak(t *testing.T) {
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	active, follower := pg.Start(t, 17, pg.Logical), pg.Start(t, 15, pg.Logical)
	names := postgres.Names{UID: pg.UpgradeUID}
	for _, s := range []*pg.Server{active, follower} {
		s.Exec("", "CREATE DATABASE d")
		must(postgres.EnsureRegister(ctx, s.Server, agentRole, "secret"))
		must(postgres.EnsureMarker(ctx, s.Server, "d"))
	}
	must(postgres.FenceStandby(ctx, follower.Server, []string{"d"}))
	must(postgres.CreatePublication(ctx, active.Server, "d", names))
	must(postgres.CreateSlot(ctx, active.Server, "d", names, follower.Instance))
	must(postgres.CreateSubscription(ctx, follower.Server, postgres.SubscribeOptions{Publisher: active.Server, Database: "d", Names: names}))
	look := func() string {
		t.Helper()
		slot, err := postgres.SlotState(ctx, active.Server, names.Slot("d", follower.Instance))
		must(err)
		trouble, err := follows(ctx, active.Server, follower.Server, names, "d", slot)
		must(err)
		return trouble
	}
	until := func(want string) {
		t.Helper()
		var got string
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if got = look(); got == want || want != "" && strings.Contains(got, want) {
				return
			}
		}
		t.Fatalf("trouble %q, want %q", got, want)
	}
	until("")
	for _, s := range []*pg.Server{follower, active} {
		s.Exec("d", "CREATE TABLE late (id int PRIMARY KEY)")
	}
	active.Exec("d", "INSERT INTO late VALUES (1)")
	follower.Exec("d", "INSERT INTO late VALUES (1)")
	until("table public.late isn't followed yet and has rows on " + follower.Instance)
	follower.Exec("d", "TRUNCATE late")
	until("")
	if got := follower.Query("d", "SELECT count(*) FROM late"); got != "1" {
		t.Errorf("%s rows", got)
	}
}
