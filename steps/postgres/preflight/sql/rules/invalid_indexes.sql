-- Indexes that a failed CREATE INDEX CONCURRENTLY left. Reads only.
SELECT 'index ' || i.indexrelid::regclass, '', format('REINDEX INDEX CONCURRENTLY %1$s; or DROP INDEX %1$s;', i.indexrelid::regclass)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE NOT i.indisvalid AND c.relkind = 'i' AND c.relpersistence <> 't'
