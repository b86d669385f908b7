-- Room in green's shared lock table for restoring all databases' schemas, each in one transaction and side by
-- side, with half of it to spare. Facts: gitover.restore_locks, gitover.green_settings. Reads only.
WITH n AS (
  SELECT current_setting('gitover.restore_locks')::bigint AS need, (g ->> 'max_locks_per_transaction')::bigint AS setting,
         (g ->> 'max_connections')::bigint + (g ->> 'max_prepared_transactions')::bigint AS slots
  FROM (SELECT current_setting('gitover.green_settings')::jsonb AS g) s
), needs AS (SELECT n.*, ceil(2 * need / slots::numeric) AS needed FROM n)
SELECT 'max_locks_per_transaction', format('%s, needed %s for about %s locks', setting, needed, need),
       format('Set max_locks_per_transaction = %s', needed)
FROM needs WHERE setting < needed
