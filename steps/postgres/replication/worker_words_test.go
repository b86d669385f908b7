package replication

import "testing"

func TestOfALogOnlyTheWorkersOwnErrorsAreRepeated(t *testing.T) {
	const worker = "ERROR:  duplicate key value violates unique constraint \"k\"\nDETAIL:  Key (name)=(secret) already exists.\nCONTEXT:  processing remote data for replication origin \"pg_7\"\n"
	const application = "ERROR:  no such customer: secret\nSTATEMENT:  SELECT 1\nERROR:  duplicate key value violates unique constraint \"k\"\nCONTEXT:  processing remote data for replication origin \"pg_71\"\n"
	for log, want := range map[string]string{
		"":                   "",
		application:          "",
		worker + application: `duplicate key value violates unique constraint "k"`,
		worker + "2026-11-27 [7] ERROR:  could not connect to the publisher: no route\n": "could not connect to the publisher: no route",
	} {
		if got := lastWords(log, "pg_7"); got != want {
			t.Errorf("%q of\n%s", got, log)
		}
	}
}
