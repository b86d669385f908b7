-- Queries of views, and rules, by the next 50 rows of pg_rewrite: name, definition, whether pg_dump makes it after
-- the data (a view that needs a key is a stand-in before it); kind, scope and texts of its expressions (see
-- judge.go); the row's OID. Printing a query locks its tables (ACCESS SHARE), so there are few of them in a statement.
-- $1: Gitover's own schema. $2: the last OID that is known. Reads only.
SELECT CASE WHEN r.rulename = '_RETURN' AND c.relkind = 'm' THEN 'query of materialized view ' || c.name WHEN r.rulename = '_RETURN' THEN 'query of view ' || c.name
            ELSE 'rule ' || quote_ident(r.rulename) || ' on ' || c.name END,
       CASE WHEN r.rulename = '_RETURN' THEN d.text
            ELSE concat_ws(', ', 'event ' || r.ev_type::text, 'enabled ' || r.ev_enabled::text, substr(d.text, strpos(d.text, ' TO ' || c.name) + length(' TO ' || c.name))) END,
       true,
       CASE WHEN r.rulename = '_RETURN' THEN 'query' ELSE 'rule' END,
       ARRAY[CASE r.ev_type WHEN '2' THEN 'UPDATE' WHEN '3' THEN 'INSERT' WHEN '4' THEN 'DELETE' ELSE '' END, c.name],
       ARRAY[CASE WHEN r.rulename = '_RETURN' THEN d.text ELSE substr(d.text, strpos(d.text, ' TO ' || c.name) + length(' TO ' || c.name)) END],
       r.oid::bigint
FROM (
  SELECT r.*
  FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', $1) AND n.nspname !~ '^pg_(toast|temp)' AND r.oid > $2::bigint
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e')
  ORDER BY r.oid LIMIT 50
) r,
LATERAL (SELECT c.relkind, r.ev_class::regclass::text AS name FROM pg_class c WHERE c.oid = r.ev_class OFFSET 0) c,
LATERAL (SELECT CASE WHEN r.rulename = '_RETURN' THEN pg_get_viewdef(r.ev_class) ELSE pg_get_ruledef(r.oid) END AS text OFFSET 0) d
ORDER BY r.oid
