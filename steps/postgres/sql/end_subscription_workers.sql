-- Tells the workers of a subscription of the current database to end and says whether none is
-- left. $1: its name. Only for disabled subscriptions; a second run ends what came since.
SELECT count(pg_terminate_backend(w.pid)) = 0
FROM pg_stat_subscription w
JOIN pg_subscription s ON s.oid = w.subid JOIN pg_database d ON d.oid = s.subdbid
JOIN pg_stat_activity a ON a.pid = w.pid
WHERE d.datname = current_database() AND s.subname = $1
