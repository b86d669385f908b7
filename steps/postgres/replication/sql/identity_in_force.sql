-- A table's OID and its replica identity, as ALTER TABLE … REPLICA IDENTITY takes it, or LOST INDEX: the index that it was
-- is gone, and PostgreSQL takes that for NOTHING; and the one that Gitover gave it, '' if none. $1: the table, quoted. Reads only.
SELECT c.oid::bigint,
       CASE c.relreplident WHEN 'd' THEN 'DEFAULT' WHEN 'f' THEN 'FULL' WHEN 'i' THEN coalesce(
         (SELECT 'USING INDEX ' || quote_ident(x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident),
         'LOST INDEX') ELSE 'NOTHING' END,
       coalesce((SELECT g.given FROM gitover.replica_identities g WHERE g.relid = c.oid), '')
FROM pg_class c WHERE c.oid = to_regclass($1)
