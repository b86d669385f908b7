-- Large objects that each switch copies, and how long their pages take to be read, by a gigabyte in two seconds. Facts:
-- gitover.carry_large_objects. Reads only.
SELECT count(*) || ' large objects', pg_size_pretty(pg_relation_size('pg_catalog.pg_largeobject')),
       round(pg_relation_size('pg_catalog.pg_largeobject') / 536870.912) || ' ms'
FROM pg_largeobject_metadata WHERE current_setting('gitover.carry_large_objects') = 'true' HAVING count(*) > 0
