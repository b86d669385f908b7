-- Tells the workers of a subscription of the current database to end and says whether none is
-- left. $1: its name, $2: also those that have copied a table and catch up. Only for disabled
-- subscriptions; a second run ends what came since.
SELECT count(*) = 0 AND count(pg_terminate_backend(w.pid)) FILTER (WHERE $2 OR r.srsubstate IS DISTINCT FROM 'f') = 0
FROM pg_stat_subscription w
JOIN pg_subscription s ON s.oid = w.subid JOIN pg_database d ON d.oid = s.subdbid
JOIN pg_stat_activity a ON a.pid = w.pid
LEFT JOIN pg_subscription_rel r ON r.srsubid = s.oid AND r.srrelid = w.relid
WHERE d.datname = current_database() AND s.subname = $1
