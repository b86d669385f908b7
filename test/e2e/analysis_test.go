package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/testenv"
)

// watched has Gitover count what applications note in a table of troubles, once a second.
func watched(_, content string) string {
	const soak = "    duration: 24h\n"
	return strings.Replace(content, soak, soak+`    analysis:
      initialDelay: 1s
      interval: 1s
      threshold: 3
      checks:
      - name: troubles
        thresholdRange: {max: 0}
        sql: {database: orders, query: SELECT count(*) FROM public.troubles, secretRef: {name: watcher}}
`, 1)
}

// A check that fails after the cutover returns traffic by a commit of Gitover's, which says why, and no row is lost.
func TestACheckThatFailsAfterTheCutoverReturnsTraffic(t *testing.T) {
	t.Parallel()
	s := begin(t, testenv.AppOptions{Namespace: "watched", Change: watched})
	ctx := t.Context()
	s.must(s.app.Run(ctx, "orders-15", "orders", "CREATE TABLE public.troubles (id int PRIMARY KEY)",
		"CREATE ROLE watcher LOGIN PASSWORD 'watches' IN ROLE orders_reader", "GRANT SELECT ON public.troubles TO watcher"))
	s.must(s.app.SetSecret(ctx, "watcher", map[string]string{"username": "watcher", "password": "watches"}))
	s.merge("17")
	s.awaitSoak("orders-17")
	s.awaitRollbackPath()
	s.must(s.app.AwaitUpgrade(ctx, 2*time.Minute, "the analysis passes", func(u *v1alpha1.PgUpgrade) bool {
		return u.Status.Analysis != nil && u.Status.Analysis.Passed > 2 && testenv.IsTrue(u.Status.Conditions, v1alpha1.AnalysisPassedCondition)
	}))
	s.must(s.app.Run(ctx, "orders-17", "orders", "INSERT INTO public.troubles VALUES (1)"))
	s.awaitRolledBack("orders-15")
	log, err := s.app.Repository.Log(ctx, s.app.Dir)
	s.must(err)
	if c := log[0].Trailers; c["Gitover-Step"] != "CommitRollback" || c["Gitover-Analysis-Check"] != "troubles" || !strings.Contains(c["Gitover-Reason"], "check troubles failed 3 times in a row: it was 1 last") {
		t.Errorf("the newest commit: %+v", log[0])
	}
	s.touchesOnly(log[0].SHA, s.app.Dir+"/proxy.yaml")
	s.lostNothing("orders-15", 2)
}
