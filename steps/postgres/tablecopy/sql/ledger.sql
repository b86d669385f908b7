-- What a copy has done, on the target. copy_run has one row: the source, and the replication slot (empty for none) and whether the copy made it;
-- how far it is, as JSON, and when it said so; the pace that a controller gives it, and why it pauses (empty: it doesn't); when it was finished.
-- copy_part has a row for each part of each table that is or was to be copied. A second run changes nothing.
CREATE SCHEMA IF NOT EXISTS gitover;
REVOKE ALL ON SCHEMA gitover FROM PUBLIC;
CREATE TABLE IF NOT EXISTS gitover.copy_run (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  source text NOT NULL,
  slot text NOT NULL,
  made_slot boolean NOT NULL,
  began timestamptz NOT NULL DEFAULT now(),
  progress jsonb,
  told timestamptz,
  bytes_per_second bigint,
  paused text NOT NULL DEFAULT '',
  finished timestamptz
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS gitover.copy_part (
  relation oid NOT NULL,
  part int NOT NULL,
  parts int NOT NULL,
  moment text NOT NULL DEFAULT '',
  done boolean NOT NULL DEFAULT false,
  PRIMARY KEY (relation, part)
) WITH (fillfactor = 50);
