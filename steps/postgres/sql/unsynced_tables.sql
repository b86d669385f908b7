-- Tables that don't follow the main apply worker yet. $1: the subscription. Reads only.
SELECT r.srrelid::regclass::text
FROM pg_subscription_rel r
JOIN pg_subscription s ON s.oid = r.srsubid JOIN pg_database d ON d.oid = s.subdbid
WHERE d.datname = current_database() AND s.subname = $1 AND r.srsubstate <> 'r'
ORDER BY 1
