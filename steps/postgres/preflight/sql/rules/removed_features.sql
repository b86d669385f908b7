-- Things of older versions that the newer target no longer has. Facts: gitover.target. Reads only.
WITH t AS (SELECT current_setting('gitover.target')::int AS target, current_setting('server_version_num')::int / 10000 AS source),
members AS (SELECT classid, objid FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e')
SELECT 'operator ' || o.oid::regoperator, 'postfix operators are gone from 14 on', format('DROP OPERATOR %s; and call the function %s', o.oid::regoperator, o.oprcode)
FROM t, pg_operator o WHERE source < 14 AND target >= 14 AND o.oprright = 0 AND o.oid >= 16384
UNION ALL
SELECT 'conversion ' || quote_ident(c.conname), 'functions of encoding conversions have another signature from 14 on', format('DROP CONVERSION %I;', c.conname)
FROM t, pg_conversion c WHERE source < 14 AND target >= 14 AND c.oid >= 16384
UNION ALL
SELECT 'aggregate ' || a.aggfnoid::regprocedure, 'its function takes anycompatiblearray from 14 on', format('DROP AGGREGATE %s; and make it with anycompatiblearray', a.aggfnoid::regprocedure)
FROM t, pg_aggregate a JOIN pg_proc f ON f.oid IN (a.aggtransfn, a.aggfinalfn)
WHERE source < 14 AND target >= 14 AND a.aggfnoid::oid >= 16384
  AND f.pronamespace = 'pg_catalog'::regnamespace AND f.proname IN ('array_append', 'array_prepend', 'array_cat', 'array_position', 'array_positions', 'array_remove', 'array_replace', 'width_bucket')
UNION ALL
SELECT 'operator ' || o.oid::regoperator, 'its function takes anycompatiblearray from 14 on', format('DROP OPERATOR %s; and make it with anycompatiblearray', o.oid::regoperator)
FROM t, pg_operator o JOIN pg_proc f ON f.oid = o.oprcode
WHERE source < 14 AND target >= 14 AND o.oid >= 16384
  AND f.pronamespace = 'pg_catalog'::regnamespace AND f.proname IN ('array_append', 'array_prepend', 'array_cat', 'array_position', 'array_positions', 'array_remove', 'array_replace', 'width_bucket')
UNION ALL
SELECT 'language ' || quote_ident(l.lanname), 'Python 2 is gone from 15 on', 'rewrite its functions in plpython3u'
FROM t, pg_language l WHERE source < 15 AND target >= 15 AND l.lanname IN ('plpythonu', 'plpython2u')
