-- Replication slots. $1: their names. No row for one that is absent. Reads only.
SELECT s.slot_name::text, s.active, s.wal_status = 'lost' OR s.restart_lsn IS NULL AND s.confirmed_flush_lsn IS NOT NULL
FROM pg_replication_slots s WHERE s.slot_name = ANY ($1)
