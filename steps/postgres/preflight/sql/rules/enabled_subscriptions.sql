-- Enabled subscriptions that aren't this upgrade's, in any database: their apply workers pass the fence. Those that a
-- switch moves don't count. Facts: gitover.prefix, move_subscriptions, database_names, target. Reads only. What a version
-- doesn't have is absent from the row's JSON.
WITH s AS (
  SELECT s.subname, s.subslotname, s.subowner, d.datname, to_jsonb(s) AS options
  FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
  WHERE s.subenabled AND NOT starts_with(s.subname::text, current_setting('gitover.prefix'))
), judged AS (
  SELECT s.*, CASE
    WHEN NOT current_setting('gitover.database_names')::jsonb ? datname::text THEN 'its database isn''t part of the upgrade'
    WHEN subslotname IS NULL THEN 'it has no slot'
    WHEN options->>'subconninfo' IS NULL THEN 'it has no connection string'
    WHEN coalesce(options->>'subtwophasestate', 'd') <> 'd' THEN 'two_phase is on'
    WHEN (options->>'subretaindeadtuples')::bool THEN 'retain_dead_tuples is on'
    WHEN current_setting('gitover.target')::int < 16 AND coalesce(options->>'suborigin', 'any') <> 'any'
      THEN 'origin is ' || (options->>'suborigin') || ', which version ' || current_setting('gitover.target') || ' doesn''t have'
    WHEN current_setting('gitover.target')::int < 16 AND NOT (SELECT rolsuper FROM pg_roles r WHERE r.oid = subowner)
      THEN 'its owner is no superuser, as version ' || current_setting('gitover.target') || ' wants'
    END AS unmoved
  FROM s
)
SELECT 'subscription ' || quote_ident(subname),
       format('in database %I', datname) || CASE WHEN current_setting('gitover.move_subscriptions') = 'true' THEN ', which can''t be moved: ' || unmoved ELSE '' END,
       format('In database %I: ALTER SUBSCRIPTION %I DISABLE;', datname, subname)
FROM judged
WHERE unmoved IS NOT NULL OR current_setting('gitover.move_subscriptions') <> 'true'
