-- Published tables, extensions' included, whose UPDATE and DELETE would fail, here or where they are applied: no usable
-- replica identity. One that has a generated column is none, since that column isn't sent; of the whole row only from 18 on. The
-- fix is the best there is: a key, an adequate unique index, or the whole row. Facts: gitover.target. Reads only.
WITH tables AS (
  SELECT c.oid, c.relreplident, format('%I.%I', n.nspname, c.relname) AS name,
         EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated <> '' AND NOT a.attisdropped) AS generated
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'gitover')
), indexes AS (
  SELECT i.indrelid, i.indisprimary, i.indisreplident, i.indnkeyatts, x.relname,
         EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) AND a.attgenerated <> '') AS generated,
         i.indpred IS NULL AND i.indexprs IS NULL
           AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull) AS adequate
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
  WHERE i.indisunique AND i.indimmediate AND i.indisvalid
), judged AS (
  SELECT t.*, CASE t.relreplident
      WHEN 'n' THEN 'its replica identity is NOTHING'
      WHEN 'f' THEN CASE WHEN t.generated AND current_setting('server_version_num')::int >= 180000
        THEN 'its replica identity is the whole row, and has a generated column' END
      WHEN 'i' THEN CASE WHEN k.relname IS NULL THEN 'the index that was its replica identity is gone'
        WHEN k.generated THEN 'its replica identity has a generated column' END
      ELSE CASE WHEN k.relname IS NULL THEN 'it has no primary key that isn''t deferrable'
        WHEN k.generated THEN 'its primary key has a generated column' END END AS why
  FROM tables t LEFT JOIN indexes k ON k.indrelid = t.oid AND CASE t.relreplident WHEN 'd' THEN k.indisprimary WHEN 'i' THEN k.indisreplident END
)
SELECT 'table ' || j.name, j.why,
       CASE WHEN k.relname IS NULL AND j.generated AND greatest(current_setting('gitover.target')::int, current_setting('server_version_num')::int / 10000) >= 18
         THEN format('Give %s a primary key, or a unique index of columns that are NOT NULL and not generated, as its replica identity.', j.name)
         ELSE format('ALTER TABLE %s REPLICA IDENTITY %s;', j.name,
           CASE WHEN k.indisprimary THEN 'DEFAULT' WHEN k.relname IS NULL THEN 'FULL' ELSE 'USING INDEX ' || quote_ident(k.relname) END) END
FROM judged j LEFT JOIN LATERAL (
  SELECT * FROM indexes i WHERE i.indrelid = j.oid AND i.adequate AND NOT i.generated
  ORDER BY i.indisprimary DESC, i.indnkeyatts, i.relname LIMIT 1) k ON true
WHERE j.why IS NOT NULL
