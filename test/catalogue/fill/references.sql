-- Foreign keys of tables ($1): columns here, the table and columns there. Reads only.
SELECT c.conrelid, c.confrelid, format('%I.%I', n.nspname, f.relname),
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k(num, at) JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num ORDER BY k.at),
       ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k(num, at) JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num ORDER BY k.at)
FROM pg_constraint c JOIN pg_class f ON f.oid = c.confrelid JOIN pg_namespace n ON n.oid = f.relnamespace
WHERE c.conrelid = ANY ($1) AND c.contype = 'f' AND c.conparentid = 0
ORDER BY c.conrelid, c.conname
