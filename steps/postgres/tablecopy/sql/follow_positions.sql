-- Has a subscription that isn't enabled, $1, begin with each table at the position at which that was copied, as after PostgreSQL's own synchronization
-- (state s): what was committed before is skipped for it. Returns the tables of the subscription that weren't copied. A second run changes nothing.
WITH copied AS (
  SELECT relation, min(moment)::pg_lsn AS position FROM gitover.copy_part GROUP BY relation HAVING bool_and(done)
), changed AS (
  UPDATE pg_catalog.pg_subscription_rel r SET srsubstate = 's', srsublsn = c.position
  FROM copied c WHERE r.srrelid = c.relation AND r.srsubid = (SELECT oid FROM pg_catalog.pg_subscription WHERE subname = $1)
)
SELECT coalesce((SELECT string_agg(r.srrelid::pg_catalog.regclass::text, ', ' ORDER BY 1) FROM pg_catalog.pg_subscription_rel r
                 WHERE r.srsubid = (SELECT oid FROM pg_catalog.pg_subscription WHERE subname = $1) AND r.srrelid NOT IN (SELECT relation FROM copied)
                   AND r.srrelid::pg_catalog.regclass::text NOT LIKE 'gitover.%'), '')
