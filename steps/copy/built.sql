-- What package indexes makes, as "<catalog> <oid>" of pg_constraint (2606) or pg_class (1259), which is how entries of a dump's
-- table of contents begin. No parameters. Reads only.
SELECT '2606 ' || k.oid
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class t ON t.oid = k.conrelid LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = k.conindid
WHERE k.contype = 'f' AND t.relkind IN ('r', 'p') OR k.contype IN ('p', 'u', 'x') AND t.relkind IN ('r', 'p') AND i.indisvalid
UNION ALL
SELECT '1259 ' || i.indexrelid
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
WHERE t.relkind IN ('r', 'p') AND i.indisvalid
