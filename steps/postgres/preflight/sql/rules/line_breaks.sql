-- Names with a line break, of roles and of the databases to move. Facts: gitover.database_names. Reads only.
SELECT 'role ' || quote_ident(r.rolname), '', format('ALTER ROLE %I RENAME TO %I;', r.rolname, regexp_replace(r.rolname, '[\r\n]+', ' ', 'g'))
FROM pg_roles r WHERE r.rolname ~ '[\r\n]'
UNION ALL
SELECT 'database ' || quote_ident(d.datname), '', format('ALTER DATABASE %I RENAME TO %I;', d.datname, regexp_replace(d.datname, '[\r\n]+', ' ', 'g'))
FROM pg_database d WHERE d.datname ~ '[\r\n]' AND current_setting('gitover.database_names')::jsonb ? d.datname
