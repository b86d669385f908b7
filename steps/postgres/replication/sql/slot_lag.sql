-- Bytes of WAL not yet confirmed. $1: the slot. No row when absent. Reads only.
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), s.confirmed_flush_lsn)::bigint
FROM pg_replication_slots s WHERE s.slot_name = $1
