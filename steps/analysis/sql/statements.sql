-- What applications' statements took in this database on average, those that took most in all first. search_path leads to the
-- extension. $1 is how often a statement must have run. Texts are without constants; Gitover's own role is left out.
SELECT r.rolname::text, s.query, s.queryid, s.calls, s.mean_exec_time
FROM pg_stat_statements s
JOIN pg_catalog.pg_database d ON d.oid = s.dbid AND d.datname = pg_catalog.current_database()
JOIN pg_catalog.pg_roles r ON r.oid = s.userid
WHERE s.calls >= $1::bigint AND s.queryid IS NOT NULL AND s.query IS NOT NULL AND r.rolname <> current_user
ORDER BY s.total_exec_time DESC
LIMIT 1000
