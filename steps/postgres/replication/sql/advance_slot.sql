-- Moves a slot forward to a position exactly. $1 slot, $2 position. No effect on a slot
-- that is there already or beyond.
SELECT (pg_replication_slot_advance(slot_name, $2::pg_lsn)).end_lsn::text
  FROM pg_replication_slots
 WHERE slot_name = $1 AND confirmed_flush_lsn < $2::pg_lsn
