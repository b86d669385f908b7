-- Replica identities that an upgrade gave tables of the current database: OID; name, quoted, '' if the table was dropped
-- since; the one that was given; the one to return to (without an index that is gone PostgreSQL takes it for NOTHING);
-- the one in force, or LOST INDEX; and a publication that isn't Gitover's and needs one, '' if there's none. Only where
-- the record is there. $1: prefix of the upgrade's names. Reads only.
WITH others AS MATERIALIZED (
  SELECT t.relid, min(p.pubname::text) AS pubname
  FROM pg_publication p, LATERAL pg_get_publication_tables(p.pubname::text) t
  WHERE (p.pubupdate OR p.pubdelete) AND NOT starts_with(p.pubname::text, $1) GROUP BY 1
)
SELECT g.relid::bigint, CASE WHEN c.oid IS NULL THEN '' ELSE format('%I.%I', n.nspname, c.relname) END, g.given,
       CASE WHEN g.former LIKE 'USING INDEX %' AND NOT EXISTS (
         SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = g.relid AND g.former = 'USING INDEX ' || quote_ident(x.relname))
         THEN 'NOTHING' ELSE g.former END,
       CASE c.relreplident WHEN 'd' THEN 'DEFAULT' WHEN 'f' THEN 'FULL' WHEN 'i' THEN coalesce(
         (SELECT 'USING INDEX ' || quote_ident(x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident),
         'LOST INDEX') ELSE 'NOTHING' END,
       coalesce((SELECT min(o.pubname) FROM others o
                 WHERE o.relid = c.oid OR c.relispartition AND o.relid IN (SELECT a FROM pg_partition_ancestors(c.oid) a)), '')
FROM gitover.replica_identities g LEFT JOIN pg_class c ON c.oid = g.relid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE g.upgrade = $1
ORDER BY 2, 1
