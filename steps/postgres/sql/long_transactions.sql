-- Transactions of clients that are open for longer than a limit, oldest first.
-- $1 databases, $2 the limit as interval. Superusers' transactions count, too, except for Gitover's own.
SELECT a.pid, a.datname::text, a.usename::text, a.application_name, a.client_addr::text,
       a.state, a.xact_start, a.query_start, a.query
  FROM pg_stat_activity a
 WHERE a.datname = ANY ($1::text[])
   AND a.backend_type = 'client backend'
   AND a.xact_start < clock_timestamp() - $2::interval
   AND NOT (a.usename = current_user AND a.application_name ~ '^gitover( switch [0-9A-Z]+)?$')
   AND a.pid <> pg_backend_pid()
 ORDER BY a.xact_start
