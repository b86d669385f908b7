-- Functions in indexes, constraints and generated columns that rely on the caller's search_path,
-- which is empty where changes are applied, and safe in maintenance from 17 on. Reads only.
SELECT DISTINCT 'function ' || p.oid::regprocedure::text, pg_describe_object(d.classid, d.objid, d.objsubid),
       format('ALTER FUNCTION %s SET search_path = %I, pg_catalog;', p.oid::regprocedure, n.nspname)
FROM pg_depend d JOIN pg_proc p ON p.oid = d.refobjid AND d.refclassid = 'pg_proc'::regclass
JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE d.classid IN ('pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_class'::regclass)
  AND l.lanname IN ('sql', 'plpgsql') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'gitover')
  AND to_jsonb(p) ->> 'prosqlbody' IS NULL
  AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%')
