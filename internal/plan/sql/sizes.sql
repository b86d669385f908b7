-- What the copy of the current database moves: permanent tables, their bytes (TOAST included), those of their indexes, the
-- largest table and its bytes. Reads only.
WITH t AS (
  SELECT format('%I.%I', n.nspname, c.relname) AS name, pg_table_size(c.oid) AS bytes, pg_indexes_size(c.oid) AS indexes
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'gitover')
)
SELECT count(*), coalesce(sum(bytes), 0)::bigint, coalesce(sum(indexes), 0)::bigint,
       coalesce((SELECT name FROM t ORDER BY bytes DESC, name LIMIT 1), ''), coalesce(max(bytes), 0)
FROM t
