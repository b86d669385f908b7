-- Extensions that come in another version on green. Facts: gitover.green_extensions. Reads only.
SELECT 'extension ' || quote_ident(e.extname), format('%s here, %s there', e.extversion, g.v), ''
FROM pg_extension e, LATERAL (SELECT current_setting('gitover.green_extensions')::jsonb ->> e.extname AS v) g
WHERE g.v <> e.extversion
