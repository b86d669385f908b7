-- Large objects that no switch copies. Facts: gitover.carry_large_objects. Reads only.
SELECT count(*) || ' large objects', pg_size_pretty(pg_relation_size('pg_catalog.pg_largeobject')), 'SELECT lo_unlink(oid) FROM pg_largeobject_metadata;'
FROM pg_largeobject_metadata WHERE current_setting('gitover.carry_large_objects') <> 'true' HAVING count(*) > 0
