-- Drops what table synchronisation of one subscription left on its publisher
-- (pg_<subscription>_sync_<table>_<system identifier>, permanent from 14 on) and nobody reads.
-- $1: oid of the subscription, $2: system identifier of its server. Only once no table is
-- being copied. A second run finds nothing.
SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots
WHERE slot_type = 'logical' AND active_pid IS NULL AND slot_name ~ ('^pg_' || $1 || '_sync_[0-9]+_' || $2 || '$')
