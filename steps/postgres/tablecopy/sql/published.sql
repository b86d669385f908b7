-- Schemas and names of the tables of publication $1. $2: Gitover's own schema, left out. Reads only.
SELECT schemaname::text, tablename::text FROM pg_catalog.pg_publication_tables WHERE pubname = $1 AND schemaname <> $2
