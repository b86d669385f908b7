-- Subscriptions of others, in any database. Reads only.
SELECT 'subscription ' || quote_ident(s.subname), format('in database %I, %s', d.datname, CASE WHEN s.subenabled THEN 'enabled' ELSE 'disabled' END), ''
FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
WHERE NOT starts_with(s.subname::text, 'gitover_')
