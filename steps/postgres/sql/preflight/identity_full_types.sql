-- Tables with REPLICA IDENTITY FULL, or that would need it, and a column whose type has no
-- equality: rows couldn't be found on the subscriber. Reads only.
WITH RECURSIVE suspects AS (
  SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'gitover')
    AND (c.relreplident = 'f' OR c.relreplident = 'd' AND NOT EXISTS (
          SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
            AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull)))
), base(relid, attname, typid) AS (
  SELECT a.attrelid, a.attname, a.atttypid FROM pg_attribute a JOIN suspects s ON s.oid = a.attrelid
  WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  UNION
  SELECT b.relid, b.attname, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END
  FROM base b JOIN pg_type t ON t.oid = b.typid WHERE t.typtype = 'd' OR t.typelem <> 0 AND t.typlen = -1
)
SELECT 'table ' || format('%I.%I', s.nspname, s.relname), format('column %I, type %s', b.attname, format_type(b.typid, NULL)),
       format('give %I.%I a primary key, or REPLICA IDENTITY USING INDEX of a unique index', s.nspname, s.relname)
FROM base b JOIN suspects s ON s.oid = b.relid JOIN pg_type t ON t.oid = b.typid
WHERE t.typtype = 'b' AND NOT (t.typelem <> 0 AND t.typlen = -1)
  AND NOT EXISTS (
    SELECT FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod
    WHERE o.opcdefault AND m.amname IN ('btree', 'hash')
      AND (o.opcintype = b.typid OR EXISTS (SELECT FROM pg_cast k WHERE k.castsource = b.typid AND k.casttarget = o.opcintype AND k.castmethod = 'b' AND k.castcontext = 'i')))
