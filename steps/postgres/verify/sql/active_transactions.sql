-- Transactions that wrote something and may be about to commit. Reads only.
SELECT a.backend_xid::text FROM pg_stat_activity a
WHERE a.backend_xid IS NOT NULL AND coalesce(a.state, '') NOT LIKE 'idle in%' AND a.pid <> pg_backend_pid()
