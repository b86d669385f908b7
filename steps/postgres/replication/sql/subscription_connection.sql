-- SHA-256 of the connection string of a subscription of the current database: the string itself holds a
-- password, which doesn't leave the server. No row when absent. $1: its name. Reads only; superusers only.
SELECT sha256(convert_to(s.subconninfo, 'UTF8'))
FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
WHERE d.datname = current_database() AND s.subname = $1
