-- Settings of roles and databases that green doesn't know and Gitover leaves out.
-- Facts: gitover.green_settings. Reads only.
SELECT concat_ws(' ', 'role ' || quote_ident(r.rolname), 'database ' || quote_ident(d.datname)), split_part(c.entry, '=', 1),
       format('ALTER %s RESET %I;', CASE WHEN r.rolname IS NULL THEN format('DATABASE %I', d.datname) ELSE format('ROLE %I', r.rolname) || coalesce(' IN DATABASE ' || quote_ident(d.datname), '') END, split_part(c.entry, '=', 1))
FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) AS c(entry)
WHERE strpos(split_part(c.entry, '=', 1), '.') = 0 AND NOT current_setting('gitover.green_settings')::jsonb ? lower(split_part(c.entry, '=', 1))
