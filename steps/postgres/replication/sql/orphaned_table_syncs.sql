-- Tables of a subscription of the current database that have been copied and wait to catch up (14 and newer): name and
-- table synchronization slot on the publisher, pg_<subscription>_sync_<table>_<system identifier>.
-- $1: the subscription, $2: oids of tables to leave out. Reads only.
SELECT format('%I.%I', n.nspname, c.relname), format('pg_%s_sync_%s_%s', s.oid, r.srrelid, (SELECT system_identifier FROM pg_control_system()))
FROM pg_subscription_rel r
JOIN pg_subscription s ON s.oid = r.srsubid JOIN pg_database d ON d.oid = s.subdbid
JOIN pg_class c ON c.oid = r.srrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE d.datname = current_database() AND s.subname = $1 AND r.srsubstate = 'f' AND r.srrelid <> ALL ($2::oid[])
ORDER BY 1
