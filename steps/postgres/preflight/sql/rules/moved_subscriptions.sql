-- Subscriptions of others that each switch moves: enabled_subscriptions says which it can't. Facts:
-- gitover.prefix, move_subscriptions, database_names. Reads only.
SELECT 'subscription ' || quote_ident(s.subname), format('in database %I', d.datname), ''
FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
WHERE s.subenabled AND current_setting('gitover.move_subscriptions') = 'true'
  AND NOT starts_with(s.subname::text, current_setting('gitover.prefix'))
  AND current_setting('gitover.database_names')::jsonb ? d.datname::text
