-- Numbers that are others when a table or sequence of the current database was made or dropped, or
-- a column was added. Gitover's own are left out. $1: its schema. Reads only.
SELECT (count(*) || ' ' || coalesce(sum(oid::bigint * relnatts), 0)) FROM pg_class
WHERE relkind IN ('r', 'p', 'S') AND relpersistence <> 't' AND relnamespace IS DISTINCT FROM to_regnamespace($1)::oid
