-- One replication slot. $1: its name. No row when absent. Reads only.
SELECT true, s.active, coalesce(s.database::text, ''), coalesce(s.wal_status, ''),
       coalesce(s.confirmed_flush_lsn::text, ''), coalesce(s.restart_lsn::text, ''),
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn), 0)::bigint,
       coalesce(s.safe_wal_size, -1),
       s.wal_status = 'lost' OR s.restart_lsn IS NULL
FROM pg_replication_slots s WHERE s.slot_name = $1
