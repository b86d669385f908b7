-- What subscribers lack, the largest over their slots. $1: the slots' names. Bytes of WAL not yet confirmed, bytes of WAL kept, and
-- milliseconds by which changes are applied later (null where none is connected): as the subscriber said with its last answer, or for
-- how long it has not answered, where that is more than its usual pause. A row in any case; the count says how many slots exist and
-- have a position. Reads only.
SELECT count(s.confirmed_flush_lsn),
       coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), s.confirmed_flush_lsn)), 0)::bigint,
       coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)), 0)::bigint,
       (1000 * max(extract(epoch FROM CASE
         WHEN r.pid IS NULL THEN NULL
         WHEN s.confirmed_flush_lsn < pg_current_wal_lsn() AND r.reply_time < clock_timestamp() - interval '1 minute' THEN clock_timestamp() - r.reply_time
         ELSE greatest(coalesce(r.replay_lag, interval '0'), interval '0') END)))::bigint
FROM pg_replication_slots s LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid
WHERE s.slot_name = ANY ($1)
