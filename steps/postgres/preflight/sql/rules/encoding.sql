-- Databases with an encoding that can't be converted to UTF-8, which Gitover's sessions use; it doesn't exist from
-- 19 on. Facts: gitover.database_names. Reads only.
SELECT 'database ' || quote_ident(d.datname), pg_encoding_to_char(d.encoding)::text, ''
FROM pg_database d
WHERE pg_encoding_to_char(d.encoding) = 'MULE_INTERNAL' AND current_setting('gitover.database_names')::jsonb ? d.datname
