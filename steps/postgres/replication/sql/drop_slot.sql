-- Ends the walsender of a slot, if any, and drops the slot. $1: the slot.
-- Fails with 55006 while the walsender is still going: repeat. A second run drops nothing.
SELECT CASE WHEN s.active THEN pg_terminate_backend(s.active_pid) END, pg_drop_replication_slot(s.slot_name)
FROM pg_replication_slots s WHERE s.slot_name = $1
