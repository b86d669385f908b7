-- Bytes of WAL that the server writes in a second, on average since its statistics were reset, and for how many seconds that
-- was. From 14 on. Reads only.
SELECT (wal_bytes / greatest(extract(epoch FROM now() - stats_reset), 1))::bigint, extract(epoch FROM now() - stats_reset)::bigint
FROM pg_stat_wal
