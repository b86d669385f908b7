-- Which of a publisher's tables a subscription of the current database doesn't apply changes of: name,
-- state of the initial copy ('' when the subscription doesn't know the table: then changes are skipped silently),
-- whether the table is missing, whether TRUNCATE would need other tables as well. And tables that the subscription
-- would still copy though the publisher has dropped them (gone). $1: the subscription, $2: the tables, quoted, $3:
-- Gitover's own schema. Reads only.
WITH rel AS (
  SELECT r.srrelid, r.srsubstate FROM pg_subscription_rel r
  JOIN pg_subscription s ON s.oid = r.srsubid JOIN pg_database d ON d.oid = s.subdbid
  WHERE d.datname = current_database() AND s.subname = $1)
SELECT CASE WHEN c.oid IS NULL THEN p.name ELSE format('%I.%I', n.nspname, c.relname) END, coalesce(r.srsubstate::text, ''), c.oid IS NULL,
       EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.confrelid = c.oid AND k.conrelid <> c.oid), false
FROM unnest($2::text[]) AS p(name)
LEFT JOIN pg_class c ON c.oid = to_regclass(p.name)
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN rel r ON r.srrelid = c.oid
WHERE r.srsubstate IS DISTINCT FROM 'r'
UNION ALL
SELECT format('%I.%I', n.nspname, c.relname), r.srsubstate::text, false, false, true
FROM rel r JOIN pg_class c ON c.oid = r.srrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.srsubstate <> 'r' AND n.nspname <> $3
  AND NOT EXISTS (SELECT FROM unnest($2::text[]) AS p(name) WHERE to_regclass(p.name) = c.oid)
ORDER BY 1
