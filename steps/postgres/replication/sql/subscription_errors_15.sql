-- Failures of a subscription's workers; the view exists from 15 on, and has another name for those of copies from 19 on.
-- $1: its name. Reads only.
SELECT coalesce(sum(e.apply_error_count), 0)::bigint,
       coalesce(sum((coalesce(to_jsonb(e) ->> 'sync_table_error_count', to_jsonb(e) ->> 'sync_error_count'))::bigint), 0)::bigint
FROM pg_stat_subscription_stats e
JOIN pg_subscription s ON s.oid = e.subid JOIN pg_database d ON d.oid = s.subdbid
WHERE d.datname = current_database() AND s.subname = $1
