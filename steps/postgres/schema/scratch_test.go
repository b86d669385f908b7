package schema_test

import (
	"fmt"
	"testing"

	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/test/pg"
)

func TestATextIsOneStatementOrNone(t *testing.T) {
	for _, major := range pg.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			s := pg.Start(t, major, nil)
			s.Exec("", "CREATE DATABASE d")
			s.Exec("d", "CREATE TABLE kept (id int)")
			for _, text := range []string{
				"1) IS NULL AS e; DROP TABLE public.kept; --", "1); COMMIT; DROP TABLE public.kept; --", "1) IS NULL AS e; ROLLBACK; BEGIN; --",
				"$1", "nothing", "'", "\"", "/*", "1) INTO public.other; --", "pg_sleep('x')", "1 -- 2)", "'2026-13-13'::date", "(SELECT 1 FROM public.gone)",
			} {
				for kind, scope := range map[string][]string{
					"expression": {"FROM ONLY public.kept"}, "query": nil, "key": {"public.kept"}, "bound": {"public.kept", "LIST (id)"}, "rule": {"UPDATE", "public.kept"},
				} {
					printed, why, err := schema.Reread(t.Context(), s.Server, "d", kind, scope, text)
					if err != nil {
						t.Fatal(err)
					}
					if why == "" && (kind != "expression" || text != "1 -- 2)" || printed != "1") {
						t.Errorf("%q as %s is read as %q", text, kind, printed)
					}
				}
			}
			if got := s.Query("d", "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace <> 'pg_catalog'::regnamespace AND oid > 16384 AND relname !~ '^pg_'"); got != "kept" {
				t.Errorf("relations are %s", got)
			}
		})
	}
}
