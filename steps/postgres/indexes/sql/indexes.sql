-- Indexes of tables and partitioned tables, parents before children: OID, and that of the table; the table, the index, and its name with its schema, quoted;
-- whether the table is partitioned, the definition (empty where that of the constraint does for a small table), the constraint's OID, name, kind
-- and definition, how it is deferred; the partitioned table's index that it belongs to; whether it is the one to cluster by, or the
-- replica identity; statements for statistics targets of its columns; its size in bytes, and whether it compares by a collation. Not those of extensions' tables, nor any that isn't valid.
-- $1: Gitover's own schema, left out; $2: bytes from which on a table isn't small. Reads only.
WITH RECURSIVE indexes AS MATERIALIZED (
  SELECT i.indexrelid, i.indrelid, i.indisclustered, i.indisreplident, i.indcollation, c.relkind, c.relname, n.nspname, t.relname AS tablename
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
  WHERE t.relkind IN ('r', 'p') AND t.relpersistence <> 't' AND i.indisvalid AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = t.oid
                    AND e.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND e.deptype = 'e')
), tree(indexrelid, depth) AS (
  SELECT i.indexrelid, 0 FROM indexes i WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = i.indexrelid)
  UNION ALL
  SELECT h.inhrelid, tree.depth + 1 FROM tree JOIN pg_catalog.pg_inherits h ON h.inhparent = tree.indexrelid
)
SELECT i.indexrelid, i.indrelid, format('%I.%I', i.nspname, i.tablename), pg_catalog.quote_ident(i.relname), format('%I.%I', i.nspname, i.relname), i.relkind = 'I',
       CASE WHEN k.oid IS NULL OR k.contype IN ('p', 'u') AND i.relkind = 'i' AND NOT k.period AND pg_catalog.pg_relation_size(i.indrelid) >= $2
         THEN pg_catalog.pg_get_indexdef(i.indexrelid) ELSE '' END,
       coalesce(k.oid, 0), coalesce(pg_catalog.quote_ident(k.conname), ''), coalesce(k.contype::text, ''), coalesce(pg_catalog.pg_get_constraintdef(k.oid), ''),
       CASE WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END || CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END,
       coalesce((SELECT format('%I.%I', n.nspname, p.relname) FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class p ON p.oid = h.inhparent
                 JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace WHERE h.inhrelid = i.indexrelid), ''),
       i.indisclustered, i.indisreplident,
       ARRAY(SELECT format('ALTER INDEX %I.%I ALTER COLUMN %s SET STATISTICS %s', i.nspname, i.relname, a.attnum, a.attstattarget)
             FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0 ORDER BY a.attnum),
       CASE WHEN i.relkind = 'i' THEN pg_catalog.pg_relation_size(i.indexrelid) ELSE 0 END, EXISTS (SELECT FROM pg_catalog.unnest(i.indcollation) AS l(c) WHERE l.c <> 0)
FROM indexes i JOIN tree USING (indexrelid)
LEFT JOIN LATERAL (
  SELECT c.oid, c.conname, c.contype, c.condeferrable, c.condeferred, (SELECT conperiod FROM pg_catalog.pg_constraint p WHERE p.oid = c.oid) AS period -- from 18 on
  FROM pg_catalog.pg_constraint c CROSS JOIN (VALUES (false)) AS before_18(conperiod)
  WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x')) k ON true
ORDER BY tree.depth, i.indexrelid
