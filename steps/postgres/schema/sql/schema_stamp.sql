-- System identifier, major version, and a stamp of this database: it changes with a restart or a failover, and when
-- an object joins or leaves an extension, which the snapshot doesn't show. Reads only.
SELECT s.system_identifier::text, current_setting('server_version_num')::int / 10000,
       concat_ws(' ', s.system_identifier, current_setting('server_version_num'), pg_postmaster_start_time(),
         CASE WHEN NOT pg_is_in_recovery() THEN substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) END,
         (SELECT oid FROM pg_database WHERE datname = current_database()),
         (SELECT concat_ws(' ', count(*), sum(hashint8(classid::bigint << 32 | objid::bigint))) FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'))
FROM pg_control_system() s
