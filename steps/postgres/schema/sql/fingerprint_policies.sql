-- The next 50 policies: name, definition, whether pg_dump makes it after the data; kind, scope and texts of its
-- expressions (see judge.go); the row's OID. Printing a subquery locks its tables (ACCESS SHARE), so there are few of
-- them in a statement. $1: Gitover's own schema. $2: the last OID that is known. Reads only.
SELECT 'policy ' || quote_ident(p.polname) || ' on ' || p.polrelid::regclass::text,
       concat_ws(', ', CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
         CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
         'to ' || (SELECT string_agg(CASE WHEN m.id = 0 THEN 'everybody' ELSE quote_ident(pg_get_userbyid(m.id)) END, ' ' ORDER BY m.id = 0, pg_get_userbyid(m.id)) FROM unnest(p.polroles) m(id)),
         'using ' || e.qual, 'check ' || e.with_check),
       true, 'expression', ARRAY['FROM ONLY ' || p.polrelid::regclass::text], array_remove(ARRAY[e.qual, e.with_check], NULL),
       p.oid::bigint
FROM (
  SELECT p.*
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', $1) AND n.nspname !~ '^pg_(toast|temp)' AND p.oid > $2::bigint
  ORDER BY p.oid LIMIT 50
) p, LATERAL (SELECT pg_get_expr(p.polqual, p.polrelid) AS qual, pg_get_expr(p.polwithcheck, p.polrelid) AS with_check OFFSET 0) e
ORDER BY p.oid
