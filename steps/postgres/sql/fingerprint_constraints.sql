-- Constraints and indexes: name, definition, whether pg_dump makes it after the data. NOT NULL is
-- compared by column (constraints of their own only from 18 on), keys that partitions inherit
-- by their parents (their names are the version's choice). An index that is invalid isn't
-- dumped. $1: Gitover's own schema. Reads only.
WITH tables AS (
  SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'f', 'm')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1) AND n.nspname !~ '^pg_(toast|temp)'
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
)
SELECT 'constraint ' || quote_ident(k.conname) || ' on ' || t.name,
       pg_get_constraintdef(k.oid), k.contype = 'f' OR NOT k.convalidated OR k.contype IN ('u', 'x') AND NOT i.indisreplident
FROM pg_constraint k JOIN tables t ON t.oid = k.conrelid LEFT JOIN pg_index i ON i.indexrelid = k.conindid AND k.contype <> 'f'
WHERE k.contype IN ('p', 'u', 'x', 'c', 'f') AND NOT (k.contype = 'f' AND k.conparentid <> 0)
UNION ALL
SELECT 'constraint ' || quote_ident(k.conname) || ' on domain ' || format_type(k.contypid, NULL), pg_get_constraintdef(k.oid), NOT k.convalidated
FROM pg_constraint k JOIN pg_type y ON y.oid = k.contypid JOIN pg_namespace n ON n.oid = y.typnamespace
WHERE k.contype = 'c' AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1)
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_type'::regclass AND e.objid = y.oid AND e.deptype = 'e')
UNION ALL
SELECT 'index ' || i.indexrelid::regclass::text,
       concat_ws(', ', pg_get_indexdef(i.indexrelid), CASE WHEN NOT i.indisvalid THEN 'not valid' END,
         'partition of ' || (SELECT h.inhparent::regclass::text FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)),
       true
FROM pg_index i JOIN tables t ON t.oid = i.indrelid JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indisvalid OR c.relkind = 'I'
UNION ALL
SELECT 'replica identity of table ' || t.name, 'index ' || i.indexrelid::regclass::text, false
FROM pg_index i JOIN tables t ON t.oid = i.indrelid
WHERE i.indisreplident
UNION ALL
SELECT 'statistics ' || format('%I.%I', n.nspname, s.stxname), pg_get_statisticsobjdef(s.oid), true
FROM pg_statistic_ext s JOIN tables t ON t.oid = s.stxrelid JOIN pg_namespace n ON n.oid = s.stxnamespace
