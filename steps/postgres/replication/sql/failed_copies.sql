-- Tables of a subscription of the current database whose copy has begun and isn't over: name, and whether a worker is at it.
-- $1: the subscription. Reads only.
SELECT format('%I.%I', n.nspname, c.relname),
       EXISTS (SELECT FROM pg_stat_subscription w WHERE w.subid = s.oid AND w.relid = r.srrelid AND w.pid IS NOT NULL)
FROM pg_subscription_rel r
JOIN pg_subscription s ON s.oid = r.srsubid JOIN pg_database d ON d.oid = s.subdbid
JOIN pg_class c ON c.oid = r.srrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE d.datname = current_database() AND s.subname = $1 AND r.srsubstate = 'd'
ORDER BY 1
