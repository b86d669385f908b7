-- How long WAL is kept for a subscriber that is behind. Reads only.
SELECT s.name, CASE WHEN s.setting::bigint < 0 THEN 'unlimited: WAL kept for a subscriber that stopped can fill the disk'
         ELSE pg_size_pretty(s.setting::bigint * 1024 * 1024) || ': a subscriber that falls further behind must be copied again' END,
       'ALTER SYSTEM SET max_slot_wal_keep_size = ''<half of the free disk>''; SELECT pg_reload_conf();'
FROM pg_settings s WHERE s.name = 'max_slot_wal_keep_size' AND s.setting::bigint < 10240
UNION ALL
SELECT s.name, s.setting || ' ' || s.unit || ': a slot whose subscriber is away that long is invalidated',
       'ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf();'
FROM pg_settings s WHERE s.name = 'idle_replication_slot_timeout' AND s.setting::bigint > 0
