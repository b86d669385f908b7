-- Functions that set something which green doesn't know, or a value that it refuses: they can't be made there. Names
-- with a dot are an extension's or the application's own. Facts: gitover.target, gitover.green_settings. Reads only.
SELECT 'function ' || p.oid::regprocedure, c.entry, format('ALTER ROUTINE %s RESET %I;', p.oid::regprocedure, split_part(c.entry, '=', 1))
FROM pg_proc p, unnest(p.proconfig) AS c(entry), LATERAL (SELECT lower(split_part(c.entry, '=', 1)) AS name) s
WHERE strpos(s.name, '.') = 0
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e')
  AND (NOT current_setting('gitover.green_settings')::jsonb ? s.name
       OR current_setting('gitover.target')::int >= 19 AND s.name = 'standard_conforming_strings' AND NOT split_part(c.entry, '=', 2)::bool)
