-- Sessions that hold locks on a table, the oldest transaction first, in words. $1: the table, quoted. Reads only.
SELECT DISTINCT format('session %s (user %s, %s, transaction since %s)', a.pid, coalesce(a.usename, a.backend_type), coalesce(a.state, a.backend_type),
                       to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS UTC')) AS session, a.xact_start
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.relation = to_regclass($1) AND l.granted AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY a.xact_start LIMIT 3
