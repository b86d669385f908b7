-- Makes a disabled subscription of the current database skip what its publisher committed before
-- a position; this survives a crash of either server. $1: its name, $2: the position on the
-- publisher. Returns whether it is enabled; then, and beyond the position, no effect. The origin
-- of a subscription is called pg_<oid> (documentation, 50).
WITH own AS (
  SELECT s.subenabled, 'pg_' || s.oid AS origin FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
  WHERE d.datname = current_database() AND s.subname = $1
)
SELECT subenabled,
       CASE WHEN NOT subenabled AND coalesce(pg_replication_origin_progress(origin, false), '0/0') < $2::text::pg_lsn
            THEN pg_replication_origin_advance(origin, $2::text::pg_lsn)::text END
FROM own
