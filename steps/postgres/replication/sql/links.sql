-- Subscriptions of several databases, from any of them. $1: their names, which are unique on a server. Only the connection
-- string's SHA-256 leaves the server, since the string holds a password. No row for one that is absent. Reads only;
-- superusers only.
SELECT s.subname::text, s.subenabled, w.pid IS NOT NULL,
       coalesce(extract(epoch FROM clock_timestamp() - a.backend_start), 0)::float8,
       sha256(convert_to(s.subconninfo, 'UTF8')), -1::bigint
FROM pg_subscription s
LEFT JOIN LATERAL (SELECT pid FROM pg_stat_subscription WHERE subid = s.oid AND relid IS NULL AND pid IS NOT NULL LIMIT 1) w ON true
LEFT JOIN pg_stat_activity a ON a.pid = w.pid
WHERE s.subname = ANY ($1)
