-- Drops the slots by which one subscription's tables are synchronised
-- (pg_<subscription>_sync_<table>_<system identifier>, permanent from 14 on), and says whether none is left.
-- $1: oid of the subscription, $2: system identifier of its server. Only for a disabled
-- subscription that is about to go. A second run drops what was still in use.
WITH slots AS MATERIALIZED (
  SELECT slot_name, active_pid FROM pg_replication_slots
  WHERE slot_type = 'logical' AND slot_name ~ ('^pg_' || $1 || '_sync_[0-9]+_' || $2 || '$'))
SELECT count(pg_drop_replication_slot(slot_name)) FILTER (WHERE active_pid IS NULL) = count(*) FROM slots
