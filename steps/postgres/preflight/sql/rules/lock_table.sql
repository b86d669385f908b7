-- Room in the shared lock table for pg_dump of all databases, whose Jobs run side by side: half of what
-- max_locks_per_transaction promises, so that the applications keep the other half, or what is free now if that
-- is less. Locks on the fast path need no room. Every server has at least the capacity that the manual gives:
-- 19 exactly that for its background processes, too, older ones about twice as much. Facts: gitover.dump_locks. Reads only.
WITH n AS (
  SELECT current_setting('gitover.dump_locks')::bigint AS need, current_setting('max_locks_per_transaction')::bigint AS setting,
         current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint AS slots,
         (SELECT count(*) FROM pg_locks WHERE NOT fastpath AND locktype <> 'virtualxid') AS held
), needs AS (SELECT n.*, ceil(greatest(2 * need, need + held) / slots::numeric) AS needed FROM n)
SELECT 'max_locks_per_transaction', format('%s, needed %s for about %s locks', setting, needed, need),
       format('ALTER SYSTEM SET max_locks_per_transaction = %s;', needed)
FROM needs WHERE setting < needed
