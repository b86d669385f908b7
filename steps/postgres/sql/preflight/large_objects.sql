-- Large objects. Reads only.
SELECT count(*) || ' large objects', pg_size_pretty(pg_relation_size('pg_catalog.pg_largeobject')), 'SELECT lo_unlink(oid) FROM pg_largeobject_metadata;'
FROM pg_largeobject_metadata HAVING count(*) > 0
