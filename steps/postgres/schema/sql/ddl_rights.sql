-- Rights on objects, by their names in the fingerprints: the object as GRANT names it, grantee, privilege, whether it has the
-- grant option, whether the grantee owns the object. Defaults are spelled out. $1: Gitover's own schema. $2: names. Reads only.
WITH objects(name, target, acl, owner, columns) AS (
  SELECT CASE c.relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table ' ELSE 'table ' END || format('%I.%I', n.nspname, c.relname),
         CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || format('%I.%I', n.nspname, c.relname),
         coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)), c.relowner, ''
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND n.nspname <> $1
  UNION ALL
  SELECT 'column ' || format('%I.%I.%I', n.nspname, c.relname, a.attname), 'TABLE ' || format('%I.%I', n.nspname, c.relname), a.attacl, c.relowner, format(' (%I)', a.attname)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE a.attacl IS NOT NULL AND NOT a.attisdropped AND n.nspname <> $1
  UNION ALL
  SELECT 'function ' || format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)),
         format('ROUTINE %I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner, ''
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname <> $1
  UNION ALL
  SELECT 'schema ' || quote_ident(n.nspname), 'SCHEMA ' || quote_ident(n.nspname), coalesce(n.nspacl, acldefault('n', n.nspowner)), n.nspowner, ''
  FROM pg_namespace n WHERE n.nspname <> $1
  UNION ALL
  SELECT 'type ' || format_type(t.oid, NULL), 'TYPE ' || format_type(t.oid, NULL), t.typacl, t.typowner, '' FROM pg_type t WHERE t.typacl IS NOT NULL
)
SELECT 'rights on ' || o.name, o.target, CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END, x.privilege_type || o.columns,
       bool_or(x.is_grantable AND x.grantee <> o.owner), bool_and(x.grantee = o.owner)
FROM objects o, aclexplode(o.acl) x
WHERE 'rights on ' || o.name = ANY ($2) AND x.privilege_type <> 'MAINTAIN'
GROUP BY 1, 2, 3, 4
