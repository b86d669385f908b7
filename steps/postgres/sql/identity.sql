-- Which server this is: the system identifier, which standbys share, and the timeline, which rises with a
-- promotion; 0 on a standby. Reads only.
SELECT s.system_identifier::text,
       CASE WHEN pg_is_in_recovery() THEN 0
            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int::bigint END
FROM pg_control_system() s
