-- Tables without planner statistics, quoted, as ANALYZE is to name them, materialized views too, and those whose statistics are older than an extended
-- statistics object or an index of expressions of theirs: autovacuum may have run while rows were copied, before these
-- were created. This compares ages of transactions, not clocks. ANALYZE of a partitioned table visits its partitions;
-- before 14 it leaves no trace on the parent, so its partitions are checked instead; from 18 on each is visited alone. Largest first. Reads only; superusers
-- only (pg_statistic).
SELECT CASE WHEN c.relkind = 'p' AND current_setting('server_version_num')::int >= 180000 THEN 'ONLY ' ELSE '' END || format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND CASE WHEN current_setting('server_version_num')::int < 140000 THEN c.relkind IN ('r', 'm')
           WHEN current_setting('server_version_num')::int < 180000 THEN c.relkind IN ('r', 'm', 'p') AND NOT c.relispartition
           ELSE c.relkind IN ('r', 'm', 'p') END
  AND (c.relkind <> 'm' OR c.relispopulated)
  AND (pg_stat_get_last_analyze_time(c.oid) IS NULL AND pg_stat_get_last_autoanalyze_time(c.oid) IS NULL
       -- null if there are none of either; ANALYZE keeps those of a table that was emptied
       OR c.reltuples > 0 AND (SELECT min(age(s.xmin)) FROM pg_statistic s WHERE s.starelid = c.oid)
          > (SELECT min(age) FROM (SELECT age(e.xmin) FROM pg_statistic_ext e WHERE e.stxrelid = c.oid UNION ALL
                                   SELECT age(i.xmin) FROM pg_index i WHERE i.indrelid = c.oid AND i.indexprs IS NOT NULL) made(age)))
ORDER BY pg_table_size(c.oid) DESC, 1
