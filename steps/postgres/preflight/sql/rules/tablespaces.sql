-- Tablespaces of users that spec.tablespaces doesn't replace. Facts: gitover.tablespaces. Reads only.
SELECT 'tablespace ' || quote_ident(spcname), '', '' FROM pg_tablespace
WHERE spcname !~ '^pg_' AND NOT coalesce(nullif(current_setting('gitover.tablespaces'), 'null')::jsonb ? spcname::text, false)
