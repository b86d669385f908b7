-- Whether a slot is gone, or begins after a position. $1: the slot, $2: the position. Reads only.
SELECT coalesce((SELECT confirmed_flush_lsn > $2::text::pg_lsn FROM pg_replication_slots WHERE slot_name = $1), true)
