-- The next 50 functions whose body is stored parsed: name, definition, whether pg_dump makes it after the data;
-- kind, scope and texts of its expressions (see judge.go); the row's OID. Printing a body locks its tables (ACCESS
-- SHARE), so there are few of them in a statement. From version 14 on.
-- $1: Gitover's own schema. $2: the last OID that is known. Reads only.
SELECT CASE p.prokind WHEN 'p' THEN 'body of procedure ' ELSE 'body of function ' END || format('%I.%I(%s)', p.nspname, p.proname, oidvectortypes(p.proargtypes)),
       b.body, true, 'body',
       ARRAY[CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, quote_ident(p.proname),
             '(' || pg_get_function_identity_arguments(p.oid) || ')' || coalesce(' RETURNS ' || pg_get_function_result(p.oid), '')],
       ARRAY[b.body], p.oid::bigint
FROM (
  SELECT p.*, n.nspname
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE p.prosqlbody IS NOT NULL AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1) AND n.nspname !~ '^pg_(toast|temp)' AND p.oid > $2::bigint
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype IN ('e', 'i'))
  ORDER BY p.oid LIMIT 50
) p, LATERAL (SELECT pg_get_function_sqlbody(p.oid) AS body OFFSET 0) b
ORDER BY p.oid
