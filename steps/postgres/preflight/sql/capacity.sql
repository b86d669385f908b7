-- Limits that the databases to move need, with a reserve of two for tables that are copied in
-- parallel: the setting, its value, and what is needed. Facts: gitover.databases, gitover.prefix. Reads only.
WITH n AS (SELECT current_setting('gitover.databases')::int AS databases, current_setting('gitover.prefix') AS prefix),
needs(name, need) AS (
  SELECT 'max_replication_slots', n.databases + 2 + (SELECT count(*) FROM pg_replication_slots WHERE NOT starts_with(slot_name::text, n.prefix)) FROM n
  UNION ALL SELECT 'max_wal_senders', n.databases + 2 + (SELECT count(*) FROM pg_stat_replication WHERE NOT starts_with(application_name, n.prefix)
                                                         AND application_name !~ '^pg_[0-9]+_sync_') FROM n
  UNION ALL SELECT 'max_logical_replication_workers', n.databases + 2 + (SELECT count(*) FROM pg_subscription WHERE NOT starts_with(subname::text, n.prefix)) FROM n
  UNION ALL SELECT 'max_worker_processes', n.databases + 3 + (SELECT count(*) FROM pg_subscription WHERE NOT starts_with(subname::text, n.prefix)) FROM n
  UNION ALL SELECT 'max_active_replication_origins', n.databases + 2 + (SELECT count(*) FROM pg_replication_origin o
       WHERE NOT EXISTS (SELECT FROM pg_subscription s WHERE o.roname = 'pg_' || s.oid AND starts_with(s.subname::text, n.prefix))) FROM n
)
SELECT s.name, s.setting::bigint, needs.need
FROM needs JOIN pg_settings s USING (name)
