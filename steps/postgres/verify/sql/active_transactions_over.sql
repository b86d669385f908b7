-- Whether none of some transactions is still active. $1: their ids. Reads only.
SELECT NOT EXISTS (SELECT FROM pg_stat_activity a
                   WHERE a.backend_xid::text = ANY ($1) AND coalesce(a.state, '') NOT LIKE 'idle in%')
