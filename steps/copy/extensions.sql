-- Statements that give tables of extensions the replica identity that they have here: a dump has none of
-- their properties. Reads only.
SELECT format('ALTER TABLE IF EXISTS %I.%I REPLICA IDENTITY %s;', n.nspname, c.relname,
              CASE c.relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' ELSE 'USING INDEX ' || quote_ident(x.relname) END)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisreplident LEFT JOIN pg_class x ON x.oid = i.indexrelid
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relreplident <> 'd' AND (c.relreplident <> 'i' OR x.oid IS NOT NULL)
  AND EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
ORDER BY 1;
