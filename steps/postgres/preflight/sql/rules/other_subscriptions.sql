-- Subscriptions of others, in any database, but for those that each switch moves. Facts: gitover.move_subscriptions,
-- database_names. Reads only.
SELECT 'subscription ' || quote_ident(s.subname), format('in database %I, %s', d.datname, CASE WHEN s.subenabled THEN 'enabled' ELSE 'disabled' END), ''
FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
WHERE NOT starts_with(s.subname::text, 'gitover_')
  AND NOT (s.subenabled AND current_setting('gitover.move_subscriptions') = 'true' AND current_setting('gitover.database_names')::jsonb ? d.datname::text)
