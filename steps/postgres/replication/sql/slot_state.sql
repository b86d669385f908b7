-- One replication slot. $1: its name. No row when absent. A slot that is being created is listed already, as active in the
-- session that creates it; it disappears if that session ends. Reads only.
SELECT true, s.active, coalesce(s.database::text, ''), coalesce(s.wal_status, ''),
       coalesce(s.confirmed_flush_lsn::text, ''), coalesce(s.restart_lsn::text, ''),
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn), 0)::bigint,
       coalesce(s.safe_wal_size, -1),
       s.wal_status = 'lost' OR s.restart_lsn IS NULL AND s.confirmed_flush_lsn IS NOT NULL,
       s.confirmed_flush_lsn IS NOT NULL AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = s.active_pid AND a.backend_type = 'client backend')
FROM pg_replication_slots s WHERE s.slot_name = $1
