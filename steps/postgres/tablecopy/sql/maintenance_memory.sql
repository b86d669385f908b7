-- Bytes of memory for building an index on one of $1 sessions, at most $2: what the server gives, or a share of the size of its shared buffers, which an
-- administrator has chosen by the memory that there is. Reads only.
SELECT greatest(least(pg_catalog.pg_size_bytes(pg_catalog.current_setting('shared_buffers')) / $1::int, $2::bigint),
                pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')))
