-- One subscription of the current database. $1: its name, $2: Gitover's own schema, whose
-- table isn't counted. No row when absent. Reads only. pg_subscription_rel (documentation, 52): i
-- initialize, d data is being copied, f finished copy (14+), s synchronized, r ready.
SELECT true, s.subenabled,
       s.subsynccommit <> CASE current_setting('synchronous_standby_names') WHEN '' THEN 'off' ELSE 'on' END AND NOT EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srsubid = s.oid AND r.srsubstate <> 'r'),
       EXISTS (SELECT FROM pg_stat_subscription w WHERE w.subid = s.oid AND w.relid IS NULL AND w.pid IS NOT NULL),
       t.tables, t.ready, t.copied, -1::bigint, -1::bigint,
       coalesce(w.received_lsn::text, ''), coalesce(w.latest_end_lsn::text, ''),
       coalesce(extract(epoch FROM clock_timestamp() - a.backend_start), 0)::float8
FROM pg_subscription s
JOIN pg_database d ON d.oid = s.subdbid
LEFT JOIN LATERAL (SELECT pid, received_lsn, latest_end_lsn FROM pg_stat_subscription
                   WHERE subid = s.oid AND relid IS NULL AND pid IS NOT NULL LIMIT 1) w ON true
LEFT JOIN pg_stat_activity a ON a.pid = w.pid
CROSS JOIN LATERAL (
  SELECT count(*) AS tables, count(*) FILTER (WHERE r.srsubstate = 'r') AS ready,
         count(*) FILTER (WHERE r.srsubstate IN ('f', 's', 'r')) AS copied
  FROM pg_subscription_rel r JOIN pg_class c ON c.oid = r.srrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE r.srsubid = s.oid AND n.nspname <> $2) t
WHERE d.datname = current_database() AND s.subname = $1
