-- Partitioned tables. Reads only.
SELECT count(*) || ' partitioned tables', '', '' FROM pg_class WHERE relkind = 'p' HAVING count(*) > 0
