-- Tables without planner statistics, quoted, materialized views too. ANALYZE of a partitioned
-- table visits its partitions; before 14 it leaves no trace on the parent, so there its
-- partitions stand for it. Reads only.
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND CASE WHEN current_setting('server_version_num')::int < 140000 THEN c.relkind IN ('r', 'm')
           ELSE c.relkind IN ('r', 'm', 'p') AND NOT c.relispartition END
  AND (c.relkind <> 'm' OR c.relispopulated)
  AND pg_stat_get_last_analyze_time(c.oid) IS NULL AND pg_stat_get_last_autoanalyze_time(c.oid) IS NULL
ORDER BY pg_relation_size(c.oid) DESC, 1
