-- Constraints and statistics: name, definition, whether pg_dump makes it after the data; kind, scope
-- and texts of its expressions (see judge.go), in the order in which the definition has them. NOT NULL is
-- compared by column (constraints of their own only from 18 on), keys that partitions inherit
-- by their parents (their names are the version's choice), GiST's operator classes for inet and cidr not at all
-- (see fingerprint_indexes.sql). $1: Gitover's own schema. Reads only.
WITH tables AS (
  SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'f', 'm')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1) AND n.nspname !~ '^pg_(toast|temp)'
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e')
)
SELECT 'constraint ' || quote_ident(k.conname) || ' on ' || t.name,
       CASE WHEN k.contype = 'x' THEN regexp_replace(pg_get_constraintdef(k.oid), ' (\S+\.)?(inet_ops|gist_inet_ops|gist_cidr_ops) WITH ', ' WITH ', 'g')
         ELSE pg_get_constraintdef(k.oid) END, k.contype = 'f' OR NOT k.convalidated OR k.contype IN ('u', 'x') AND NOT i.indisreplident,
       CASE WHEN k.contype IN ('c', 'x') THEN 'expression' END, ARRAY['FROM ONLY ' || t.name],
       CASE k.contype WHEN 'c' THEN ARRAY[pg_get_expr(k.conbin, k.conrelid)]
         WHEN 'x' THEN array_remove(ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, false) FROM generate_series(1, i.indnatts) n WHERE i.indkey[n - 1] = 0 ORDER BY n)
                                    || pg_get_expr(i.indpred, i.indrelid), NULL) END
FROM pg_constraint k JOIN tables t ON t.oid = k.conrelid LEFT JOIN pg_index i ON i.indexrelid = k.conindid AND k.contype <> 'f'
WHERE k.contype IN ('p', 'u', 'x', 'c', 'f') AND NOT (k.contype = 'f' AND k.conparentid <> 0)
UNION ALL
SELECT 'constraint ' || quote_ident(k.conname) || ' on domain ' || format_type(k.contypid, NULL), pg_get_constraintdef(k.oid), NOT k.convalidated,
       'expression', ARRAY[format('FROM (SELECT NULL::%s%s AS value) domain', format_type(y.typbasetype, y.typtypmod),
                                  CASE WHEN y.typcollation <> 0 THEN ' COLLATE ' || y.typcollation::regcollation::text END)], ARRAY[pg_get_expr(k.conbin, 0)]
FROM pg_constraint k JOIN pg_type y ON y.oid = k.contypid JOIN pg_namespace n ON n.oid = y.typnamespace
WHERE k.contype = 'c' AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1)
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_type'::regclass AND e.objid = y.oid AND e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e')
UNION ALL
SELECT 'replica identity of table ' || t.name, 'index ' || i.indexrelid::regclass::text, false, NULL, NULL, NULL
FROM pg_index i JOIN tables t ON t.oid = i.indrelid
WHERE i.indisreplident
UNION ALL
SELECT 'statistics ' || format('%I.%I', n.nspname, s.stxname), d.text, true, 'expression', ARRAY['FROM ONLY ' || t.name],
       ARRAY[substr(d.text, strpos(d.text, ' ON ') + 4, length(d.text) - strpos(d.text, ' ON ') - 3 - length(' FROM ' || t.name))]
FROM pg_statistic_ext s JOIN tables t ON t.oid = s.stxrelid JOIN pg_namespace n ON n.oid = s.stxnamespace,
LATERAL (SELECT pg_get_statisticsobjdef(s.oid) AS text OFFSET 0) d
