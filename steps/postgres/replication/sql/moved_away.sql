-- What the current database has under the name of a subscription that moves here: whether it is disabled and has no
-- slot, as a switch leaves one that it moved away. $1: the name. Reads only.
SELECT NOT s.subenabled AND s.subslotname IS NULL
FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
WHERE d.datname = current_database() AND s.subname = $1
