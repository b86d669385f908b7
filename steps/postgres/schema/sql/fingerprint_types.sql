-- Schemas, types, extensions and what else has a name: name, definition, whether pg_dump makes
-- it after the data; kind, scope and texts of its expressions (see judge.go). The owner of schema "public" from 15 on
-- is the owner of the database; each version spells the locale of an ICU collation in its own way.
-- $1: Gitover's own schema. Reads only.
WITH schemas AS (
  SELECT n.oid, n.nspname, quote_ident(n.nspname) AS name,
         CASE WHEN pg_get_userbyid(n.nspowner) = 'pg_database_owner'
              THEN (SELECT pg_get_userbyid(d.datdba) FROM pg_database d WHERE d.datname = current_database())
              ELSE pg_get_userbyid(n.nspowner) END AS owner
  FROM pg_namespace n
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', $1) AND n.nspname !~ '^pg_(toast|temp)'
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid AND e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e')
), members AS (SELECT classid, objid FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e')
SELECT 'schema ' || s.name, 'owner ' || s.owner, false, NULL, NULL::text[], NULL::text[] FROM schemas s
UNION ALL
SELECT 'extension ' || quote_ident(e.extname), 'schema ' || quote_ident(n.nspname), false, NULL, NULL, NULL
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
UNION ALL
SELECT 'type ' || format_type(t.oid, NULL),
       concat_ws(', ', 'kind ' || t.typtype::text, 'owner ' || pg_get_userbyid(t.typowner),
         'labels ' || (SELECT string_agg(quote_literal(l.enumlabel), ' ' ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid),
         CASE WHEN t.typtype = 'd' THEN concat_ws(', ', format_type(t.typbasetype, t.typtypmod), CASE WHEN t.typnotnull THEN 'not null' END,
                                                  'default ' || d.expression, CASE WHEN t.typcollation <> 0 THEN t.typcollation::regcollation::text END) END,
         'subtype ' || (SELECT concat_ws(' ', format_type(r.rngsubtype, NULL), r.rngcanonical::regproc, r.rngsubdiff::regproc)
                        FROM pg_range r WHERE r.rngtypid = t.oid)),
       false, CASE WHEN t.typtype = 'd' AND d.expression IS NOT NULL THEN 'expression' END, ARRAY[''], CASE WHEN d.expression IS NOT NULL THEN ARRAY[d.expression] END
FROM pg_type t JOIN schemas s ON s.oid = t.typnamespace, LATERAL (SELECT pg_get_expr(t.typdefaultbin, 0) AS expression OFFSET 0) d
WHERE t.typtype IN ('e', 'd', 'r', 'b') AND t.typelem = 0
  AND (t.oid, 'pg_type'::regclass) NOT IN (SELECT objid, classid FROM members)
UNION ALL
SELECT 'operator ' || o.oid::regoperator::text, o.oprcode::regproc::text, false, NULL, NULL, NULL
FROM pg_operator o JOIN schemas s ON s.oid = o.oprnamespace
WHERE (o.oid, 'pg_operator'::regclass) NOT IN (SELECT objid, classid FROM members)
UNION ALL
SELECT 'operator class ' || s.name || '.' || quote_ident(o.opcname), format_type(o.opcintype, NULL), false, NULL, NULL, NULL
FROM pg_opclass o JOIN schemas s ON s.oid = o.opcnamespace
WHERE (o.oid, 'pg_opclass'::regclass) NOT IN (SELECT objid, classid FROM members)
UNION ALL
SELECT 'collation ' || s.name || '.' || quote_ident(c.collname), concat_ws(', ', c.collprovider::text, CASE WHEN c.collisdeterministic THEN '' ELSE 'nondeterministic' END,
       CASE WHEN c.collprovider = 'c' THEN c.collcollate END), false, NULL, NULL, NULL
FROM pg_collation c JOIN schemas s ON s.oid = c.collnamespace
WHERE (c.oid, 'pg_collation'::regclass) NOT IN (SELECT objid, classid FROM members)
UNION ALL
SELECT 'text search configuration ' || s.name || '.' || quote_ident(c.cfgname), '', false, NULL, NULL, NULL
FROM pg_ts_config c JOIN schemas s ON s.oid = c.cfgnamespace
WHERE (c.oid, 'pg_ts_config'::regclass) NOT IN (SELECT objid, classid FROM members)
UNION ALL
SELECT 'text search dictionary ' || s.name || '.' || quote_ident(c.dictname), coalesce(c.dictinitoption, ''), false, NULL, NULL, NULL
FROM pg_ts_dict c JOIN schemas s ON s.oid = c.dictnamespace
WHERE (c.oid, 'pg_ts_dict'::regclass) NOT IN (SELECT objid, classid FROM members)
UNION ALL
SELECT 'cast from ' || format_type(c.castsource, NULL) || ' to ' || format_type(c.casttarget, NULL), c.castcontext::text || c.castmethod::text, false, NULL, NULL, NULL
FROM pg_cast c WHERE c.oid >= 16384 AND (c.oid, 'pg_cast'::regclass) NOT IN (SELECT objid, classid FROM members)
UNION ALL
SELECT 'language ' || quote_ident(l.lanname), concat_ws(', ', l.lanplcallfoid::regproc::text, CASE WHEN l.lanpltrusted THEN 'trusted' END), false, NULL, NULL, NULL
FROM pg_language l WHERE l.lanispl AND (l.oid, 'pg_language'::regclass) NOT IN (SELECT objid, classid FROM members)
UNION ALL
SELECT 'foreign server ' || quote_ident(f.srvname), concat_ws(', ', w.fdwname, 'owner ' || pg_get_userbyid(f.srvowner), 'options ' || (SELECT md5(string_agg(o, ',' ORDER BY o)) FROM unnest(f.srvoptions) o)), false, NULL, NULL, NULL
FROM pg_foreign_server f JOIN pg_foreign_data_wrapper w ON w.oid = f.srvfdw
UNION ALL
SELECT 'user mapping for ' || quote_ident(m.usename) || ' on ' || quote_ident(m.srvname), coalesce((SELECT md5(string_agg(o, ',' ORDER BY o)) FROM unnest(m.umoptions) o), ''), false, NULL, NULL, NULL
FROM pg_user_mappings m
