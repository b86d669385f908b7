-- Materialized views. Reads only.
SELECT count(*) || ' materialized views', '', '' FROM pg_class WHERE relkind = 'm' HAVING count(*) > 0
