-- Tables with row-level security. Reads only.
SELECT count(*) || ' tables with row-level security', '', '' FROM pg_class WHERE relrowsecurity HAVING count(*) > 0
