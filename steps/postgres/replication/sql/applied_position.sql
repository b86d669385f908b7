-- End of the last commit that a subscription of the current database has applied, in the publisher's WAL; null before the
-- first. $1: its name. No row when absent. Reads only.
SELECT nullif(pg_replication_origin_progress('pg_' || s.oid, false), '0/0')::text
FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
WHERE d.datname = current_database() AND s.subname = $1
  AND EXISTS (SELECT FROM pg_replication_origin o WHERE o.roname = 'pg_' || s.oid)
