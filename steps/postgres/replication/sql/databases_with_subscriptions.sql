-- Those of databases $1 that have subscriptions of others. $2: enabled ones, or disabled ones. Reads only.
SELECT DISTINCT d.datname::text FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
WHERE d.datname = ANY ($1) AND s.subenabled = $2 AND NOT starts_with(s.subname::text, 'gitover_') ORDER BY 1
