-- Tables that a subscription of the current database replicates. $1: its name. Reads only.
SELECT format('%I.%I', n.nspname, c.relname) || CASE WHEN r.srsubstate <> 'r' THEN ' (being copied)' ELSE '' END
FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid JOIN pg_database d ON d.oid = s.subdbid
JOIN pg_class c ON c.oid = r.srrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE d.datname = current_database() AND s.subname = $1 ORDER BY 1
