-- Drops the slots of a rollback path that was prepared for a switch which was undone. Parameters: $1
-- names of slots, $2 the switch's id, $3 application databases. Drops none that a session has, none
-- on a server that serves, and none while another switch leads here. Returns whether a session has one of the
-- others: a reader, or one that was canceled while it made the slot. A second run finds nothing.
SELECT coalesce(bool_or(active_pid IS NOT NULL), false), count(pg_drop_replication_slot(slot_name)) FILTER (WHERE active_pid IS NULL)
  FROM pg_replication_slots
 WHERE slot_name = ANY ($1)
   AND NOT EXISTS (SELECT FROM gitover.incoming_switches WHERE state = 'ready' AND id <> $2)
   AND NOT EXISTS (SELECT FROM pg_database WHERE datname = ANY ($3) AND datconnlimit <> 0)
