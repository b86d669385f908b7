-- Tables of a subscription of the current database: bytes and state of the initial copy.
-- $1: the subscription, $2: Gitover's own schema, left out. Reads only.
SELECT format('%I.%I', n.nspname, c.relname), coalesce(pg_table_size(c.oid), 0), r.srsubstate::text
FROM pg_subscription_rel r
JOIN pg_subscription s ON s.oid = r.srsubid JOIN pg_database d ON d.oid = s.subdbid
JOIN pg_class c ON c.oid = r.srrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE d.datname = current_database() AND s.subname = $1 AND n.nspname <> $2
