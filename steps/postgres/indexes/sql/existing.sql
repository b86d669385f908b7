-- Names, quoted: of valid indexes "schema.index", with "+" before them where a constraint has it; of foreign keys "schema.table constraint", with "+"
-- before them where it is validated. Indexes that aren't valid have "*" before that, as those of partitioned tables while a partition lacks its own. Those
-- that are a replica identity have a second row, with "=". Reads only.
SELECT CASE WHEN NOT i.indisvalid THEN '*' ELSE '' END || CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x')) THEN '+' ELSE '' END
       || format('%I.%I', n.nspname, c.relname)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
UNION ALL
SELECT '=' || format('%I.%I', n.nspname, c.relname)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE i.indisreplident
UNION ALL
SELECT CASE WHEN k.convalidated THEN '+' ELSE '' END || format('%I.%I %I', n.nspname, t.relname, k.conname)
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class t ON t.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE k.contype = 'f'
