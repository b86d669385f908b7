-- Objects that replication needs before the data: primary keys, and indexes that are a
-- table's replica identity, as "<catalog> <oid>" of pg_constraint (2606) or pg_class (1259).
-- That is how entries of a dump's table of contents begin. The parents of partitions belong
-- to them. No parameters. Reads only.
SELECT '2606 ' || c.oid
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_index i ON i.indexrelid = c.conindid
JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE (c.contype = 'p' OR c.contype IN ('u', 'x') AND i.indisreplident)
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'gitover')
UNION ALL
SELECT '1259 ' || i.indexrelid
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE i.indisreplident
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'gitover')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'))
