-- What ALTER ROLE … SET and ALTER DATABASE … SET have stored, one row a variable.
-- $1: Gitover's own database, left out. Reads only.
SELECT coalesce(r.rolname::text, ''), coalesce(d.datname::text, ''),
       split_part(c.entry, '=', 1), substr(c.entry, strpos(c.entry, '=') + 1)
FROM pg_db_role_setting s
LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
CROSS JOIN unnest(s.setconfig) AS c(entry)
WHERE d.datname IS DISTINCT FROM $1 AND coalesce(r.rolname, '') !~ '^(pg_|gitover_)'
ORDER BY 1, 2, 3
