-- A number that is another one when a table or sequence of the current database was made, got or lost
-- a column, or was dropped. Gitover's own are left out. $1: its schema. Reads only.
SELECT (count(*) || ' ' || coalesce(sum(oid::bigint * relnatts), 0)) FROM pg_class
WHERE relkind IN ('r', 'p', 'S') AND relpersistence = 'p' AND relnamespace IS DISTINCT FROM to_regnamespace($1)::oid
