-- Every permanent sequence of this database, except for Gitover's own. No parameters.
SELECT c.oid, n.nspname::text, c.relname::text
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'S' AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'gitover')
   AND n.nspname NOT LIKE 'pg\_temp\_%'
 ORDER BY 2, 3
