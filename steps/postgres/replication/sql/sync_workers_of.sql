-- Tables that a worker of a subscription of the current database synchronises now. $1: its name. Reads only.
SELECT coalesce(array_agg(w.relid), '{}') FROM pg_stat_subscription w
JOIN pg_subscription s ON s.oid = w.subid JOIN pg_database d ON d.oid = s.subdbid
WHERE d.datname = current_database() AND s.subname = $1 AND w.relid IS NOT NULL AND w.pid IS NOT NULL
