-- Tables, sequences, composite types, and views but for their queries: name, definition, whether pg_dump makes
-- it after the data; kind, scope and texts of its expressions (see judge.go). $1: Gitover's own schema. Reads only.
-- The types of a view's columns follow from its query; a version may have others (EXTRACT before 14).
-- pg_get_expr prints names with their schema, since search_path is empty. Column options that begin
-- with pg_ are a server's own notes (pg_attver in late minor releases of 15 and 17). A partition's identity is its
-- parent's, from 17 on; before it has none. A default names no column, so its table needn't be opened to print it.
WITH relations AS (
  SELECT c.*, format('%I.%I', n.nspname, c.relname) AS name,
         CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'f' THEN 'foreign table' WHEN 'v' THEN 'view'
           WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'type' END AS kind
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c') AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1) AND n.nspname !~ '^pg_(toast|temp)'
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e')
), heirs AS (
  SELECT i.inhrelid, string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno) AS parents
  FROM pg_inherits i JOIN relations r ON r.oid = i.inhrelid GROUP BY i.inhrelid
), owned AS ( -- sequences, by columns
  SELECT d.objid, d.refobjid::regclass::text || '.' || quote_ident(a.attname) AS by
  FROM pg_depend d JOIN relations r ON r.oid = d.objid AND r.relkind = 'S' JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
)
SELECT r.kind || ' ' || r.name,
       concat_ws(', ', 'kind ' || r.relkind::text, 'persistence ' || r.relpersistence::text, 'owner ' || pg_get_userbyid(r.relowner),
         CASE WHEN r.relforcerowsecurity THEN 'forced' END,
         'identity ' || CASE WHEN r.relkind IN ('r', 'p') AND r.relreplident <> 'i' THEN r.relreplident::text END,
         'inherits ' || h.parents,
         'of type ' || CASE WHEN r.reloftype <> 0 THEN format_type(r.reloftype, NULL) END),
       r.relkind = 'm', NULL, NULL::text[], NULL::text[]
FROM relations r LEFT JOIN heirs h ON h.inhrelid = r.oid
UNION ALL
SELECT 'partition key of table ' || r.name, pg_get_partkeydef(r.oid), false, 'key', ARRAY[r.name], ARRAY[pg_get_partkeydef(r.oid)]
FROM relations r WHERE r.relkind = 'p'
UNION ALL
SELECT 'bound of partition ' || r.name, b.bound, false, 'bound', ARRAY[i.inhparent::regclass::text, pg_get_partkeydef(i.inhparent)], ARRAY[b.bound]
FROM relations r JOIN pg_inherits i ON i.inhrelid = r.oid, LATERAL (SELECT pg_get_expr(r.relpartbound, r.oid) AS bound OFFSET 0) b
WHERE r.relispartition
UNION ALL
SELECT 'options of ' || r.kind || ' ' || r.name, (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(r.reloptions) o), r.relkind IN ('v', 'm'), NULL, NULL, NULL
FROM relations r WHERE r.reloptions IS NOT NULL
UNION ALL
SELECT 'row security of ' || r.kind || ' ' || r.name, 'enabled', true, NULL, NULL, NULL FROM relations r WHERE r.relrowsecurity
UNION ALL
SELECT 'column ' || r.name || '.' || quote_ident(a.attname),
       concat_ws(', ', CASE WHEN r.relkind IN ('r', 'f', 'p', 'c') THEN 'number ' || row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum) END,
         CASE WHEN r.relkind NOT IN ('v', 'm') THEN format_type(a.atttypid, a.atttypmod) END, CASE WHEN a.attnotnull THEN 'not null' END,
         CASE WHEN a.attidentity <> '' AND NOT r.relispartition THEN 'identity ' || a.attidentity::text END,
         CASE WHEN a.attgenerated <> '' THEN 'generated ' || a.attgenerated::text END,
         'default ' || d.expression,
         CASE WHEN r.relkind NOT IN ('v', 'm') AND a.attcollation <> t.typcollation THEN 'collation ' || a.attcollation::regcollation::text END,
         CASE WHEN r.relkind NOT IN ('v', 'c') AND a.attstorage <> t.typstorage THEN 'storage ' || a.attstorage::text END,
         CASE WHEN a.attstattarget >= 0 THEN 'statistics ' || a.attstattarget END,
         CASE WHEN a.attoptions[1] NOT LIKE 'pg\_%' OR a.attoptions[2] IS NOT NULL THEN 'options ' || (SELECT string_agg(o, ' ' ORDER BY o) FROM unnest(a.attoptions) o WHERE o !~ '^pg_') END,
         CASE WHEN a.attfdwoptions IS NOT NULL THEN 'foreign ' || (SELECT md5(string_agg(o, ',' ORDER BY o)) FROM unnest(a.attfdwoptions) o) END),
       r.relkind = 'm',
       CASE WHEN a.atthasdef THEN 'expression' END, CASE WHEN a.atthasdef THEN ARRAY[CASE WHEN a.attgenerated <> '' THEN 'FROM ONLY ' || r.name ELSE '' END] END,
       CASE WHEN a.atthasdef THEN ARRAY[d.expression] END
FROM relations r
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN LATERAL (SELECT pg_get_expr(f.adbin, CASE WHEN a.attgenerated <> '' THEN f.adrelid ELSE 0 END) AS expression FROM pg_attrdef f WHERE a.atthasdef AND f.adrelid = a.attrelid AND f.adnum = a.attnum OFFSET 0) d ON true
WHERE r.relkind <> 'S'
UNION ALL
SELECT 'definition of sequence ' || r.name,
       concat_ws(', ', format_type(s.seqtypid, NULL), 'start ' || s.seqstart, 'increment ' || s.seqincrement, 'min ' || s.seqmin,
         'max ' || s.seqmax, 'cache ' || s.seqcache, CASE WHEN s.seqcycle THEN 'cycle' END,
         'owned by ' || o.by),
       false, NULL, NULL, NULL
FROM relations r JOIN pg_sequence s ON s.seqrelid = r.oid LEFT JOIN owned o ON o.objid = r.oid
