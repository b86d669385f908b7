-- Rights on objects: name, rights, whether pg_dump grants them after the data.
-- Defaults are spelled out; grantors don't count, nor does MAINTAIN (17+), which comes
-- and goes with ALL. $1: Gitover's own schema. Reads only.
WITH members AS (SELECT classid, objid FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'),
objects(name, acl, owner, late) AS (
  SELECT CASE c.relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table ' ELSE 'table ' END
           || format('%I.%I', n.nspname, c.relname),
         coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)), c.relowner, c.relkind = 'm'
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1) AND n.nspname !~ '^pg_(toast|temp)'
    AND (c.oid, 'pg_class'::regclass) NOT IN (SELECT objid, classid FROM members)
  UNION ALL
  SELECT 'column ' || format('%I.%I.%I', n.nspname, c.relname, a.attname), a.attacl, c.relowner, c.relkind = 'm'
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE a.attacl IS NOT NULL AND NOT a.attisdropped AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1) AND n.nspname !~ '^pg_(toast|temp)'
    AND (c.oid, 'pg_class'::regclass) NOT IN (SELECT objid, classid FROM members)
  UNION ALL
  SELECT 'function ' || format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)),
         coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner, to_jsonb(p) ->> 'prosqlbody' IS NOT NULL
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', $1) AND n.nspname !~ '^pg_(toast|temp)'
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype IN ('e', 'i'))
  UNION ALL
  SELECT 'schema ' || quote_ident(n.nspname), coalesce(n.nspacl, acldefault('n', n.nspowner)), n.nspowner, false
  FROM pg_namespace n
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', $1) AND n.nspname !~ '^pg_(toast|temp)'
    AND (n.oid, 'pg_namespace'::regclass) NOT IN (SELECT objid, classid FROM members)
  UNION ALL
  SELECT 'type ' || format_type(t.oid, NULL), t.typacl, t.typowner, false
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
  WHERE t.typacl IS NOT NULL AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1) AND t.typtype IN ('e', 'd', 'r', 'b', 'c')
    AND (t.oid, 'pg_type'::regclass) NOT IN (SELECT objid, classid FROM members)
  UNION ALL
  SELECT 'future ' || d.defaclobjtype::text || ' of ' || pg_get_userbyid(d.defaclrole) || coalesce(' in ' || quote_ident(n.nspname), ''), d.defaclacl, d.defaclrole, true
  FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
  WHERE n.nspname IS DISTINCT FROM $1
), kinds AS MATERIALIZED ( -- most objects share their rights with others
  SELECT k.acl, k.owner, (
    SELECT string_agg(who || ' ' || privilege_type || CASE WHEN grantable THEN '*' ELSE '' END, ', ' ORDER BY who, privilege_type)
    FROM (
      SELECT x.privilege_type, bool_or(x.is_grantable AND x.grantee <> k.owner) AS grantable,
             CASE WHEN x.grantee = k.owner THEN 'owner' WHEN x.grantee = 0 THEN 'everybody' ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS who
      FROM aclexplode(k.acl) x
      WHERE x.privilege_type <> 'MAINTAIN'
      GROUP BY x.privilege_type, 3
    ) entries) AS rights
  FROM (SELECT DISTINCT acl, owner FROM objects) k
)
SELECT 'rights on ' || o.name, k.rights, o.late, NULL, NULL::text[], NULL::text[]
FROM objects o JOIN kinds k ON k.acl = o.acl AND k.owner = o.owner
WHERE k.rights IS NOT NULL
