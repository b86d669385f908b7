-- Materialized views, quoted, and whether they are populated, in an order in which they can be
-- refreshed: a view comes after those it reads, also through plain views. Reads only.
WITH RECURSIVE reads AS (
  SELECT DISTINCT r.ev_class AS reader, d.refobjid AS read
  FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
  JOIN pg_class c ON c.oid = d.refobjid
  WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class AND c.relkind IN ('m', 'v')
), depth(oid, level) AS (
  SELECT c.oid, 0 FROM pg_class c WHERE c.relkind = 'm'
  UNION
  SELECT reads.reader, depth.level + 1 FROM depth JOIN reads ON reads.read = depth.oid
)
SELECT format('%I.%I', n.nspname, c.relname), c.relispopulated
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN depth ON depth.oid = c.oid
WHERE c.relkind = 'm' AND c.relpersistence <> 't'
GROUP BY c.oid, n.nspname, c.relname, c.relispopulated
ORDER BY max(depth.level), 1
