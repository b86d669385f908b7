-- Which of some slots are there. $1: their names. Reads only.
SELECT coalesce(array_agg(slot_name::text), '{}') FROM pg_replication_slots WHERE slot_name::text = ANY ($1)
