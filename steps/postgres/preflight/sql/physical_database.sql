-- Columns whose stored values mean something else, or can't be read, in an upgraded data directory: those that pg_upgrade refuses. Types
-- count through domains, arrays, ranges and composite types. Facts: gitover.target. Reads only.
WITH RECURSIVE t AS (SELECT current_setting('gitover.target')::int AS target, current_setting('server_version_num')::int / 10000 AS source),
refused AS (
  SELECT y.oid, format_type(y.oid, NULL) AS name FROM t, pg_type y
   WHERE y.oid IN ('regcollation'::regtype, 'regconfig'::regtype, 'regdictionary'::regtype, 'regnamespace'::regtype, 'regoper'::regtype,
                   'regoperator'::regtype, 'regproc'::regtype, 'regprocedure'::regtype)
      OR y.oid = 'aclitem'::regtype AND source < 16 AND target >= 16
  UNION
  SELECT y.oid, r.name FROM refused r JOIN pg_type y
    ON y.typtype = 'd' AND y.typbasetype = r.oid
    OR y.typelem = r.oid AND y.typlen = -1
    OR y.typtype = 'r' AND EXISTS (SELECT FROM pg_range g WHERE g.rngtypid = y.oid AND g.rngsubtype = r.oid)
    OR y.typtype = 'c' AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = y.typrelid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = r.oid)
)
SELECT format('column %I of table %s', a.attname, c.oid::regclass), 'it stores ' || min(r.name), format('ALTER TABLE %s ALTER %I TYPE text;', c.oid::regclass, a.attname)
  FROM refused r JOIN pg_attribute a ON a.atttypid = r.oid JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relkind IN ('r', 'm', 'p') AND c.oid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
 GROUP BY c.oid, a.attname
 ORDER BY 1
