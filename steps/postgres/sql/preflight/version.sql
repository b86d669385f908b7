-- Versions that Gitover doesn't move between. Facts: gitover.target. Reads only.
WITH v AS (SELECT current_setting('server_version_num')::int / 10000 AS now, current_setting('gitover.target')::int AS target)
SELECT 'PostgreSQL ' || now, CASE WHEN now = target THEN 'it is that version already'
         WHEN now NOT BETWEEN 13 AND 18 THEN 'version ' || now || ' is none of 13 to 18' ELSE 'version ' || target || ' is none of 13 to 18' END, ''
FROM v WHERE now = target OR now NOT BETWEEN 13 AND 18 OR target NOT BETWEEN 13 AND 18
