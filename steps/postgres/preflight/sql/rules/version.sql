-- Versions that Gitover doesn't move between. Facts: gitover.target, gitover.oldest, gitover.latest. Reads only.
WITH v AS (SELECT current_setting('server_version_num')::int / 10000 AS now, current_setting('gitover.target')::int AS target,
           current_setting('gitover.oldest')::int AS oldest, current_setting('gitover.latest')::int AS latest)
SELECT 'PostgreSQL ' || now, CASE WHEN now = target THEN 'it is that version already'
         WHEN now NOT BETWEEN oldest AND latest THEN format('version %s is none of %s to %s', now, oldest, latest)
         ELSE format('version %s is none of %s to %s', target, oldest, latest) END, ''
FROM v WHERE now = target OR now NOT BETWEEN oldest AND latest OR target NOT BETWEEN oldest AND latest
