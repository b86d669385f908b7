-- Subscriptions of an upgrade in the current database. $1: prefix of its names. Reads only.
SELECT s.subname::text FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
WHERE d.datname = current_database() AND starts_with(s.subname::text, $1)
ORDER BY 1
