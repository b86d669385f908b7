-- Which of a publisher's tables a subscription of the current database doesn't apply changes of: name,
-- state of the initial copy ('' when the subscription doesn't know the table: then changes are skipped without
-- a word), whether the table is missing, whether TRUNCATE would want others with it.
-- $1: the subscription, $2: the tables, quoted. Reads only.
SELECT CASE WHEN c.oid IS NULL THEN p.name ELSE format('%I.%I', n.nspname, c.relname) END, coalesce(r.srsubstate::text, ''), c.oid IS NULL,
       EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.confrelid = c.oid AND k.conrelid <> c.oid)
FROM unnest($2::text[]) AS p(name)
LEFT JOIN pg_class c ON c.oid = to_regclass(p.name)
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_subscription_rel r ON r.srrelid = c.oid
     AND r.srsubid = (SELECT s.oid FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
                      WHERE d.datname = current_database() AND s.subname = $1)
WHERE r.srsubstate IS DISTINCT FROM 'r'
ORDER BY 1
