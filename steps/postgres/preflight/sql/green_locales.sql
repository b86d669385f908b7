-- Locales of the C library that initdb found, without case and dashes, and "icu" where the server
-- has it, as one JSON object. Reads only.
SELECT coalesce(jsonb_object_agg(name, true), '{}')::text
FROM (SELECT replace(lower(collcollate), '-', '') AS name FROM pg_collation WHERE collprovider = 'c' AND collcollate IS NOT NULL
      UNION SELECT replace(lower(datcollate), '-', '') FROM pg_database
      UNION SELECT 'icu' FROM pg_collation WHERE collprovider = 'i') l
