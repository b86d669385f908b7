-- Sessions of superusers that aren't Gitover's. Reads only.
SELECT DISTINCT 'role ' || quote_ident(a.usename), format('%s from %s', coalesce(nullif(a.application_name, ''), 'unnamed'), coalesce(host(a.client_addr), 'a local socket')),
       format('ALTER ROLE %I NOSUPERUSER;', a.usename)
FROM pg_stat_activity a JOIN pg_roles r ON r.rolname = a.usename
WHERE a.backend_type = 'client backend' AND r.rolsuper AND a.application_name !~ '^gitover' AND a.pid <> pg_backend_pid()
