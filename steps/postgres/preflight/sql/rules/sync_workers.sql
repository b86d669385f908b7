-- Settings by which no table could be copied at all. Reads only.
SELECT s.name, s.setting, 'ALTER SYSTEM SET max_sync_workers_per_subscription = 2;'
FROM pg_settings s WHERE s.name = 'max_sync_workers_per_subscription' AND s.setting::int < 1
