-- Whether green's shared lock table has as much room as blue's. Up to 18 a server made it so much larger than
-- max_locks_per_transaction says that the release notes of 19, which counts exactly, ask for twice the number.
-- Facts: gitover.target, gitover.green_settings. Reads only.
WITH s AS (
  SELECT current_setting('max_locks_per_transaction')::int AS here, (current_setting('gitover.green_settings')::jsonb ->> 'max_locks_per_transaction')::int AS there,
         CASE WHEN current_setting('server_version_num')::int < 190000 THEN 2 ELSE 1 END AS factor_here,
         CASE WHEN current_setting('gitover.target')::int < 19 THEN 2 ELSE 1 END AS factor_there
), needs AS (SELECT s.*, ceil(here * factor_here / factor_there::numeric) AS needed FROM s)
SELECT 'max_locks_per_transaction', format('%s here, %s there', here, there)
         || CASE WHEN factor_here > factor_there THEN ', and from version 19 on the same number is half the room' ELSE '' END,
       format('set max_locks_per_transaction = %s on the new instance', needed)
FROM needs WHERE there < needed
