-- Slots of an upgrade: by prefix, and those that table synchronization of its subscribers
-- left (pg_<subscription>_sync_<table>_<system identifier>, permanent from 14 on).
-- $1: prefix, $2: system identifiers of subscribers. Reads only.
SELECT slot_name::text FROM pg_replication_slots
WHERE slot_type = 'logical'
  AND (starts_with(slot_name::text, $1)
       OR (slot_name ~ '^pg_[0-9]+_sync_[0-9]+_[0-9]+$' AND substring(slot_name from '[0-9]+$') = ANY ($2)))
ORDER BY 1
