-- Tables that replication carries, quoted, sorted: whether the publication has each, and whether its UPDATE and DELETE
-- would still work then (a replica identity that can be used: one without generated columns, which aren't sent; of the whole row,
-- those matter from 18 on). Of a partitioned table its partitions are published.
-- $1: the publication, $2: Gitover's own schema, of which only the markers are replicated. Reads only.
SELECT format('%I.%I', n.nspname, c.relname),
       EXISTS (SELECT FROM pg_publication p WHERE p.pubname = $1
               AND (p.puballtables OR EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = c.oid))),
       CASE c.relreplident
         WHEN 'd' THEN EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate AND i.indisvalid
                               AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND a.attgenerated <> ''))
         WHEN 'i' THEN EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident AND i.indisvalid
                               AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND a.attgenerated <> ''))
         WHEN 'f' THEN current_setting('server_version_num')::int < 180000
                       OR NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated <> '' AND NOT a.attisdropped)
         ELSE false END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND (n.nspname <> $2 OR c.relname = 'marker')
ORDER BY 1
