-- Tables of a publication with their bytes (TOAST included, indexes not).
-- $1: the publication, $2: Gitover's own schema, left out. Reads only.
SELECT format('%I.%I', t.schemaname, t.tablename), coalesce(pg_table_size(c.oid), 0), ''
FROM pg_publication_tables t
JOIN pg_namespace n ON n.nspname = t.schemaname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
WHERE t.pubname = $1 AND t.schemaname <> $2
