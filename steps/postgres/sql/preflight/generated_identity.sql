-- Tables whose replica identity is the whole row and that have a generated column: from 18 on their UPDATE and DELETE fail
-- where they are published, and that is the new side once it serves. Reads only.
SELECT format('table %I.%I', n.nspname, c.relname), '',
       coalesce(format('ALTER TABLE %I.%I REPLICA IDENTITY ', n.nspname, c.relname) || k.identity || ';',
         format('Give %I.%I a primary key, or a unique index of columns that are NOT NULL and not generated, as its replica identity.', n.nspname, c.relname))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
  SELECT CASE WHEN i.indisprimary THEN 'DEFAULT' ELSE 'USING INDEX ' || quote_ident(x.relname) END AS identity
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
  WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
    AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND (NOT a.attnotnull OR a.attgenerated <> ''))
  ORDER BY i.indisprimary DESC, i.indnkeyatts, x.relname LIMIT 1) k ON true
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'gitover') AND c.relreplident = 'f'
  AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated <> '' AND NOT a.attisdropped)
