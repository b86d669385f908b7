-- Sessions that passed the fence before it took effect and may not be in pg_stat_activity yet. $1 the processes of an earlier
-- call, null for a first one. A login holds RowExclusiveLock on its database from before the limit is read until after it is
-- listed (InitPostgres), so: none here after the fence's commit, then none in pg_stat_activity, means none at all. A login that
-- takes the lock later finds the fence, so that a client that retries all the time can't delay the switch.
SELECT coalesce(array_agg(DISTINCT pid), '{}')
  FROM pg_locks
 WHERE locktype = 'object' AND classid = 'pg_database'::regclass
   AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid()
   AND ($1::int[] IS NULL OR pid = ANY ($1))
