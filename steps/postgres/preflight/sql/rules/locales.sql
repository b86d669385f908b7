-- Locales of databases that green's C library doesn't have. Facts: gitover.green_locales. Reads only.
SELECT 'database ' || quote_ident(d.datname), l.name, format('install locale %s in the image of the new instance', l.name)
FROM pg_database d CROSS JOIN LATERAL (SELECT DISTINCT unnest(ARRAY[d.datcollate::text, d.datctype::text]) AS name) l
WHERE d.datname = current_database() AND l.name NOT IN ('C', 'POSIX')
  AND NOT current_setting('gitover.green_locales')::jsonb ? replace(lower(l.name), '-', '')
UNION ALL
SELECT 'database ' || quote_ident(d.datname), 'an ICU locale', 'use an image of the new version that is built with ICU'
FROM pg_database d WHERE d.datname = current_database() AND to_jsonb(d) ->> 'datlocprovider' = 'i' AND NOT current_setting('gitover.green_locales')::jsonb ? 'icu'
