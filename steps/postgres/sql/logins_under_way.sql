-- Sessions that passed the connection limit and may not be in pg_stat_activity yet.
-- No parameters. A login holds RowExclusiveLock on its database from before the limit is
-- read until after it is listed (InitPostgres), so: none here after the fence's commit,
-- then none in pg_stat_activity, means none at all.
SELECT count(*)
  FROM pg_locks
 WHERE locktype = 'object' AND classid = 'pg_database'::regclass
   AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid()
