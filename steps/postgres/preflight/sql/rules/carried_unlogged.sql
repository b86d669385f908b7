-- Unlogged tables that each switch copies. Facts: gitover.carry_unlogged. Reads only.
SELECT 'table ' || format('%I.%I', n.nspname, c.relname), pg_size_pretty(pg_table_size(c.oid)), ''
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'u' AND current_setting('gitover.carry_unlogged') = 'true'
