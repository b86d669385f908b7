-- Published tables, extensions' included, whose UPDATE and DELETE would fail: no usable replica identity. The fix is the
-- best there is: a key, an adequate unique index, or the whole row. Reads only.
SELECT 'table ' || format('%I.%I', n.nspname, c.relname),
       CASE c.relreplident WHEN 'n' THEN 'its replica identity is NOTHING' WHEN 'i' THEN 'the index that was its replica identity is gone'
         ELSE 'it has no primary key that isn''t deferrable' END,
       format('ALTER TABLE %I.%I REPLICA IDENTITY %s;', n.nspname, c.relname,
         CASE WHEN EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate AND i.indisvalid) THEN 'DEFAULT'
         ELSE coalesce('USING INDEX ' || (
           SELECT quote_ident(x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
           WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
             AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull)
           ORDER BY i.indnkeyatts, x.relname LIMIT 1), 'FULL') END)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'gitover')
  AND CASE c.relreplident
        WHEN 'd' THEN NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate AND i.indisvalid)
        WHEN 'i' THEN NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident AND i.indisvalid)
        WHEN 'n' THEN true ELSE false END
