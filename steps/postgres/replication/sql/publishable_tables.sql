-- Tables that replication carries, quoted, sorted: whether the publication has each; the replica identity (DEFAULT, FULL,
-- NOTHING, USING INDEX …), and why it doesn't work once the table is published ('' if it does): a column that is generated isn't
-- sent; in the whole row such columns matter from 18 on. Where another identity may be needed: whether it has such columns, the
-- adequate index that is best ('' if there's none), whether that is the primary key, and, where rows are or would be found by the
-- whole row, the columns without equality, and the table's bytes. Of a partitioned table its partitions are published. $1: the
-- publication, $2: Gitover's own schema, of which only the markers are replicated. Reads only.
WITH RECURSIVE tables AS MATERIALIZED (
  SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, c.relreplident,
         EXISTS (SELECT FROM pg_publication p WHERE p.pubname = $1 AND p.puballtables)
           OR c.oid IN (SELECT r.prrelid FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE p.pubname = $1) AS published,
         i.indexrelid, i.indkey
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisvalid
    AND CASE c.relreplident WHEN 'd' THEN i.indisprimary AND i.indimmediate WHEN 'i' THEN i.indisreplident ELSE false END
  WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND (n.nspname <> $2 OR c.relname = 'marker')
), judged AS MATERIALIZED (
  SELECT t.oid, t.name, t.published,
         CASE t.relreplident WHEN 'd' THEN 'DEFAULT' WHEN 'f' THEN 'FULL'
           WHEN 'i' THEN coalesce((SELECT 'USING INDEX ' || quote_ident(x.relname) FROM pg_class x WHERE x.oid = t.indexrelid), 'NOTHING') ELSE 'NOTHING' END AS identity,
         CASE t.relreplident
           WHEN 'n' THEN 'its replica identity is NOTHING'
           WHEN 'f' THEN CASE WHEN current_setting('server_version_num')::int >= 180000
               AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attgenerated <> '' AND NOT a.attisdropped)
             THEN 'its replica identity is the whole row, and has a generated column' ELSE '' END
           WHEN 'i' THEN CASE WHEN t.indexrelid IS NULL THEN 'the index that was its replica identity is gone'
             WHEN k.generated THEN 'its replica identity has a generated column' ELSE '' END
           ELSE CASE WHEN t.indexrelid IS NULL THEN 'it has no primary key that isn''t deferrable'
             WHEN k.generated THEN 'its primary key has a generated column' ELSE '' END END AS why
  FROM tables t, LATERAL (
    SELECT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = ANY (t.indkey) AND a.attgenerated <> '') AS generated) k
), asked AS MATERIALIZED (
  SELECT j.oid, j.identity, k.name AS index, k.indisprimary,
         EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = j.oid AND a.attgenerated <> '' AND NOT a.attisdropped) AS generated
  FROM judged j LEFT JOIN LATERAL (
    SELECT quote_ident(x.relname) AS name, i.indisprimary FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
    WHERE i.indrelid = j.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
      AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = j.oid AND a.attnum = ANY (i.indkey) AND (NOT a.attnotnull OR a.attgenerated <> ''))
    ORDER BY i.indisprimary DESC, i.indnkeyatts, x.relname LIMIT 1) k ON true
  WHERE j.why <> '' OR j.identity = 'FULL'
), parts(relid, attname, typid) AS ( -- types by which the whole row would be compared: also the parts of domains, arrays, ranges and rows
  SELECT a.attrelid, a.attname, a.atttypid FROM pg_attribute a JOIN asked s ON s.oid = a.attrelid
  WHERE (s.identity = 'FULL' OR s.index IS NULL) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  UNION
  SELECT b.relid, b.attname, m.typid
  FROM parts b JOIN pg_type t ON t.oid = b.typid, LATERAL (
    SELECT CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END AS typid WHERE t.typtype = 'd' OR t.typelem <> 0 AND t.typlen = -1
    UNION ALL
    SELECT f.atttypid FROM pg_attribute f WHERE t.typtype = 'c' AND f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped) m
), unequal AS (
  SELECT b.relid, array_agg(DISTINCT format('column %I, type %s', b.attname, format_type(b.typid, NULL))) AS columns
  FROM parts b JOIN pg_type t ON t.oid = b.typid
  WHERE t.typtype = 'b' AND NOT (t.typelem <> 0 AND t.typlen = -1)
    AND NOT EXISTS (
      SELECT FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod
      WHERE o.opcdefault AND m.amname IN ('btree', 'hash')
        AND (o.opcintype = b.typid OR EXISTS (SELECT FROM pg_cast k WHERE k.castsource = b.typid AND k.casttarget = o.opcintype AND k.castmethod = 'b' AND k.castcontext = 'i')))
  GROUP BY b.relid
)
SELECT j.name, j.published, j.identity, j.why, coalesce(s.generated, false), coalesce(s.index, ''), coalesce(s.indisprimary, false),
       coalesce(u.columns, '{}'), CASE WHEN s.oid IS NULL OR s.index IS NOT NULL THEN 0 ELSE pg_relation_size(j.oid) END
FROM judged j LEFT JOIN asked s ON s.oid = j.oid LEFT JOIN unequal u ON u.relid = j.oid
ORDER BY 1
