-- Whether the replication slot $1 still has all changes since each of the positions $2. Reads only.
SELECT coalesce((SELECT NOT EXISTS (SELECT FROM pg_catalog.unnest($2::pg_lsn[]) AS p WHERE p < s.confirmed_flush_lsn)
                 FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $1), false)
