-- How far indexes are that Gitover's sessions build in this database now: OID of the table, and the sum of the shares that are done. Half of the
-- work is reading the rows, the other half sorting them and writing the index; an index of another kind than B-tree shows less. Reads only.
SELECT p.relid, sum(CASE WHEN p.phase NOT LIKE 'building index%' THEN 0
                         WHEN p.tuples_total > 0 THEN 0.6 + 0.4 * least(p.tuples_done::float8 / p.tuples_total, 1)
                         WHEN p.blocks_total > 0 THEN 0.5 * least(p.blocks_done::float8 / p.blocks_total, 1) ELSE 0 END)
FROM pg_catalog.pg_stat_progress_create_index p JOIN pg_catalog.pg_stat_activity a ON a.pid = p.pid
WHERE p.datname = pg_catalog.current_database() AND a.application_name = 'gitover'
GROUP BY 1
