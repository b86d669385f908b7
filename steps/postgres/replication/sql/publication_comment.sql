-- The comment of a publication of the current database, '' when it or the publication is
-- missing. $1: the publication. Reads only.
SELECT coalesce((SELECT obj_description(p.oid, 'pg_publication') FROM pg_publication p WHERE p.pubname = $1), '')
