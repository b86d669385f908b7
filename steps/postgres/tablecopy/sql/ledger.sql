-- What a copy has done, on the target. copy_run has one row: the source, and the replication slot (empty for none) and whether the copy made it.
-- copy_part has a row for each part of each table that is or was to be copied. A second run changes nothing.
CREATE SCHEMA IF NOT EXISTS gitover;
REVOKE ALL ON SCHEMA gitover FROM PUBLIC;
CREATE TABLE IF NOT EXISTS gitover.copy_run (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  source text NOT NULL,
  slot text NOT NULL,
  made_slot boolean NOT NULL,
  began timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS gitover.copy_part (
  relation oid NOT NULL,
  part int NOT NULL,
  parts int NOT NULL,
  moment text NOT NULL DEFAULT '',
  done boolean NOT NULL DEFAULT false,
  PRIMARY KEY (relation, part)
) WITH (fillfactor = 50);
