-- Tables whose rows are replicated, with their columns and the columns that identify a row (none: all of them), the column of
-- integers or UUIDs (if any) by which a large one can be cut into slices, whether it is of UUIDs, the planner's estimate of their
-- rows, their size in bytes, and whether those columns are all integers or UUIDs, which reveal nothing of a row's contents. $1:
-- Gitover's own schema, left out. Reads only.
SELECT n.nspname::text, c.relname::text,
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> 'v' ORDER BY a.attnum),
       ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
             WHERE i.indrelid = c.oid AND (i.indisreplident OR c.relreplident = 'd' AND i.indisprimary) ORDER BY a.attnum),
       coalesce(cut.attname::text, ''), coalesce(cut.atttypid = 'uuid'::regtype, false),
       greatest(c.reltuples, 0)::bigint, coalesce(pg_table_size(c.oid), 0),
       coalesce((SELECT bool_and(a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype))
                 FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
                 WHERE i.indrelid = c.oid AND (i.indisreplident OR c.relreplident = 'd' AND i.indisprimary)), false)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
  SELECT a.attname, a.atttypid FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
  WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND a.attnotnull
    AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype)
  ORDER BY a.atttypid = 'uuid'::regtype, i.indisprimary DESC, a.attnum LIMIT 1) cut ON true
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1)
ORDER BY pg_relation_size(c.oid), 1, 2
