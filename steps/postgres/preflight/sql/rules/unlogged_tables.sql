-- Unlogged tables that no switch copies. Facts: gitover.carry_unlogged. Reads only.
SELECT 'table ' || format('%I.%I', n.nspname, c.relname), '', format('ALTER TABLE %I.%I SET LOGGED;', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'u' AND current_setting('gitover.carry_unlogged') <> 'true'
