-- Where Gitover records, in an application database, the replica identities that it gave tables for the time of an
-- upgrade. Both are what ALTER TABLE … REPLICA IDENTITY takes. No parameters; a second run changes nothing.
CREATE SCHEMA IF NOT EXISTS gitover;
REVOKE ALL ON SCHEMA gitover FROM PUBLIC;
CREATE TABLE IF NOT EXISTS gitover.replica_identities (
    relid   oid PRIMARY KEY,
    upgrade text NOT NULL,
    given   text NOT NULL,
    former  text NOT NULL
);
