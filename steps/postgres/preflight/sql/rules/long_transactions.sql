-- Transactions older than five minutes. Reads only.
SELECT 'session ' || a.pid, format('%s of %I in %I, %s, open since %s', coalesce(nullif(a.application_name, ''), 'unnamed'), a.usename, a.datname, a.state, a.xact_start),
       format('SELECT pg_terminate_backend(%s);', a.pid)
FROM pg_stat_activity a
WHERE a.backend_type = 'client backend' AND a.xact_start < now() - interval '5 minutes' AND a.pid <> pg_backend_pid()
