-- Sessions that a fence binds. $1 databases.
SELECT a.pid, a.datname::text, a.usename::text, a.application_name, a.client_addr::text,
       a.state, a.xact_start, a.query_start, a.query
  FROM pg_stat_activity a
  LEFT JOIN pg_roles r ON r.oid = a.usesysid
 WHERE a.datname = ANY ($1::text[])
   AND a.backend_type = 'client backend'
   AND NOT coalesce(r.rolsuper, false)
   AND a.pid <> pg_backend_pid()
 ORDER BY a.backend_start
