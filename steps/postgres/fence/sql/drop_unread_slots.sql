-- Drops the slots of a rollback path that was prepared for a switch which was undone. Parameters: $1
-- names of slots, $2 the switch's id, $3 application databases. Drops none that has a reader, none
-- on a server that serves, and none while another switch leads here. A second run finds nothing.
SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots
 WHERE slot_name = ANY ($1) AND active_pid IS NULL
   AND NOT EXISTS (SELECT FROM gitover.incoming_switches WHERE state = 'ready' AND id <> $2)
   AND NOT EXISTS (SELECT FROM pg_database WHERE datname = ANY ($3) AND datconnlimit <> 0)
