package pg

import "fmt"

// ManyTables of a middling kind in a new database orders; each tenth has a condition and a view that other versions
// print otherwise. A hundred in a transaction, for locks are few.
func ManyTables(s *Server, tables int, condition string) {
	s.Exec("", "CREATE DATABASE orders")
	for first := 0; first < tables; first += 100 {
		s.Exec("orders", fmt.Sprintf(`DO $do$ BEGIN FOR i IN %d..%d LOOP
			EXECUTE format('CREATE TABLE t%%s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int NOT NULL, b text DEFAULT 1, c int CHECK (c > 0), d int, at timestamptz DEFAULT now(), s varchar(20), UNIQUE (a, c))', i);
			EXECUTE format('CREATE INDEX ON t%%s (lower(s)) WHERE d > 0', i);
			IF i %% 10 = 0 THEN
				EXECUTE format('ALTER TABLE t%%s ADD CONSTRAINT known CHECK (%s)', i);
				EXECUTE format('CREATE VIEW v%%1$s AS SELECT id, a FROM t%%1$s WHERE s IS NOT NULL', i);
			END IF; END LOOP; END $do$`, first, first+99, condition))
	}
}
