-- Tables that an application writes to: partitioned ones by their root. Bounds are those of all its partitions. No parameters.
-- Reads only.
SELECT c.oid, format('%I.%I', n.nspname, c.relname),
       ARRAY(SELECT pg_get_expr(p.relpartbound, p.oid) FROM pg_partition_tree(c.oid) JOIN pg_class p ON p.oid = relid WHERE p.oid <> c.oid AND c.relkind = 'p')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'gitover') AND n.nspname !~ '^pg_(toast|temp)'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 2
