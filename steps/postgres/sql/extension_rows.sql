-- Tables in which extensions keep data of users, such as the jobs of pg_cron: one query each, which says
-- whether there is a row that the extension didn't create itself. No parameters. Reads only.
SELECT format('SELECT EXISTS (SELECT FROM %I.%I %s)', n.nspname, c.relname, k.condition)
FROM pg_extension e, unnest(e.extconfig, e.extcondition) AS k(id, condition)
JOIN pg_class c ON c.oid = k.id JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
