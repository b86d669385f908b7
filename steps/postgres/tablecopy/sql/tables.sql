-- Tables with rows of their own, the largest first: OID, schema, name; bytes with TOAST, pages of the heap, the file that holds it, and
-- whether rows are found by page (heap); the columns that COPY carries, quoted, and their types; those whose binary form isn't the same on
-- every server, with their types; whether another table refers to it by a foreign key, whether it belongs to an extension, and whether it is a
-- partition.
-- $1: Gitover's own schema, left out. Reads only.
--
-- Binary form: built-in types whose send and receive functions haven't changed since 13, enums (a label), and domains and ranges of
-- such. Arrays and rows name the types of what they hold by OID, which only built-in types have in common; names of catalogs (regclass)
-- are OIDs, too, and what an extension's type sends may change with its version.
WITH RECURSIVE tables AS MATERIALIZED (
  SELECT c.oid, n.nspname, c.relname, c.relpages, c.reltoastrelid, c.relfilenode, c.relam, c.relispartition
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1)
), columns AS MATERIALIZED (
  SELECT a.attrelid, a.attnum, a.attname, a.atttypid, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type
  FROM pg_catalog.pg_attribute a
  WHERE a.attrelid IN (SELECT oid FROM tables) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
), parts(type, holds, inside) AS (
  SELECT DISTINCT atttypid, atttypid, false FROM columns
  UNION
  SELECT p.type, m.holds, p.inside OR m.inside
  FROM parts p JOIN pg_catalog.pg_type t ON t.oid = p.holds, LATERAL (
    SELECT t.typbasetype, false WHERE t.typtype = 'd'
    UNION ALL
    SELECT t.typelem, true WHERE t.typtype = 'b' AND t.typelem <> 0 AND t.typlen = -1
    UNION ALL
    SELECT f.atttypid, true FROM pg_catalog.pg_attribute f WHERE t.typtype = 'c' AND f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped
    UNION ALL
    SELECT r.rngsubtype, false FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid) m(holds, inside)
), other AS MATERIALIZED (
  SELECT DISTINCT p.type
  FROM parts p JOIN pg_catalog.pg_type t ON t.oid = p.holds
  WHERE p.inside AND p.holds >= 16384
     OR t.typtype NOT IN ('b', 'c', 'd', 'e', 'r')
     OR t.typtype = 'b' AND NOT (t.typelem <> 0 AND t.typlen = -1)
        AND (p.holds >= 16384 OR t.typname NOT IN ('bool', 'bytea', 'char', 'name', 'int8', 'int2', 'int4', 'text', 'oid', 'json', 'jsonb', 'point', 'lseg',
          'path', 'box', 'polygon', 'line', 'circle', 'float4', 'float8', 'money', 'macaddr', 'macaddr8', 'inet', 'cidr', 'bpchar', 'varchar', 'date', 'time',
          'timestamp', 'timestamptz', 'interval', 'timetz', 'bit', 'varbit', 'numeric', 'uuid', 'pg_lsn', 'tsvector', 'tsquery'))
)
SELECT t.oid, t.nspname::text, t.relname::text, pg_catalog.pg_relation_size(t.oid) + coalesce(pg_catalog.pg_relation_size(nullif(t.reltoastrelid, 0)), 0),
       pg_catalog.pg_relation_size(t.oid) / pg_catalog.current_setting('block_size')::int, t.relfilenode::bigint,
       coalesce((SELECT m.amname FROM pg_catalog.pg_am m WHERE m.oid = t.relam) = 'heap', false),
       coalesce(c.names, '{}'), coalesce(c.types, '{}'), coalesce(c.texts, '{}'),
       EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.confrelid = t.oid AND k.contype = 'f'),
       EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = t.oid AND e.deptype = 'e'),
       t.relispartition
FROM tables t LEFT JOIN (
  SELECT attrelid, array_agg(pg_catalog.quote_ident(attname) ORDER BY attnum) AS names, array_agg(type ORDER BY attnum) AS types,
         array_agg(pg_catalog.quote_ident(attname) || ' ' || type ORDER BY attnum) FILTER (WHERE atttypid IN (SELECT type FROM other)) AS texts
  FROM columns GROUP BY attrelid) c ON c.attrelid = t.oid
ORDER BY 4 DESC, 2, 3
