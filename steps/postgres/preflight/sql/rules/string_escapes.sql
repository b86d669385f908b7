-- Where standard_conforming_strings is off: for roles and databases, and for the whole server if neither sets it.
-- Gitover's own sessions set it on, so that reset_val counts. Reads only.
WITH stored AS (
  SELECT r.rolname, d.datname, split_part(c.entry, '=', 2) AS value
  FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) AS c(entry)
  WHERE lower(split_part(c.entry, '=', 1)) = 'standard_conforming_strings'
)
SELECT concat_ws(' in ', 'role ' || quote_ident(rolname), 'database ' || quote_ident(datname)), '',
       format('ALTER %s RESET standard_conforming_strings;', CASE WHEN rolname IS NULL THEN format('DATABASE %I', datname) ELSE format('ROLE %I', rolname) || coalesce(' IN DATABASE ' || quote_ident(datname), '') END)
FROM stored WHERE NOT value::bool
UNION ALL
SELECT 'the server', '', 'ALTER SYSTEM SET standard_conforming_strings = on; SELECT pg_reload_conf(); or the same where your manifests configure the server'
FROM pg_settings s
WHERE s.name = 'standard_conforming_strings' AND s.reset_val = 'off'
  AND NOT EXISTS (SELECT FROM stored WHERE (rolname IS NULL OR rolname = session_user) AND (datname IS NULL OR datname = current_database()) AND NOT value::bool)
