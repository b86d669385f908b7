-- Permanent tables of the current database, quoted, that may have rows: pages are allocated,
-- or a table they refer to or that refers to them is among them, as TRUNCATE requires. Without
-- Gitover's record of replica identities. Reads only.
WITH RECURSIVE filled(oid) AS (
  SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND pg_relation_size(c.oid) > 0
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND (n.nspname, c.relname) <> ('gitover', 'replica_identities')
  UNION
  SELECT k.conrelid FROM pg_constraint k JOIN filled f ON f.oid = k.confrelid WHERE k.contype = 'f'
)
SELECT format('%I.%I', n.nspname, c.relname)
FROM filled f JOIN pg_class c ON c.oid = f.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
ORDER BY 1
