-- Writes into Gitover's own database of a copy of blue whose seed it is, and up to which position of blue it has everything.
-- Run by psql; run: the run's name, position: on blue.
CREATE SCHEMA IF NOT EXISTS gitover;
REVOKE ALL ON SCHEMA gitover FROM PUBLIC;
CREATE TABLE IF NOT EXISTS gitover.seed (run text PRIMARY KEY, position pg_lsn NOT NULL, seeded_at timestamptz NOT NULL DEFAULT now());
INSERT INTO gitover.seed (run, position) VALUES (:'run', :'position');
