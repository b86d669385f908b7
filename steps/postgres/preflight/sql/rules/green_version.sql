-- Whether green is the version that was asked for. Facts: gitover.target. Reads only.
SELECT 'PostgreSQL ' || current_setting('server_version'), 'asked for was ' || current_setting('gitover.target'), ''
WHERE current_setting('server_version_num')::int / 10000 <> current_setting('gitover.target')::int
