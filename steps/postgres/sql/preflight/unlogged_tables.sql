-- Unlogged tables with rows. Reads only.
SELECT 'table ' || format('%I.%I', n.nspname, c.relname), '', format('ALTER TABLE %I.%I SET LOGGED;', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'u'
