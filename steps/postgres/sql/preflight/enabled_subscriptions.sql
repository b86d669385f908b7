-- Enabled subscriptions that aren't this upgrade's, in any database: their apply workers pass the fence.
-- Facts: gitover.prefix. Reads only.
SELECT 'subscription ' || quote_ident(s.subname), format('in database %I', d.datname),
       format('In database %I: ALTER SUBSCRIPTION %I DISABLE;', d.datname, s.subname)
FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
WHERE s.subenabled AND NOT starts_with(s.subname::text, current_setting('gitover.prefix'))
