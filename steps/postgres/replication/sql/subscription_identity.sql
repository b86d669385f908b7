-- The parts of the names of a subscription's table synchronization slots: the oid of the
-- subscription of the current database, and the server's system identifier. No row when absent. $1: its name. Reads only.
SELECT s.oid::text, (SELECT system_identifier::text FROM pg_control_system())
FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
WHERE d.datname = current_database() AND s.subname = $1
