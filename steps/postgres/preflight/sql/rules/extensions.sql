-- Extensions that green doesn't have, or only in a version that can't be made from scratch.
-- Facts: gitover.green_extensions. Reads only.
SELECT 'extension ' || quote_ident(e.extname), 'version ' || e.extversion, format('add %I to the image of the new instance, or DROP EXTENSION %I;', e.extname, e.extname)
FROM pg_extension e WHERE NOT current_setting('gitover.green_extensions')::jsonb ? e.extname
