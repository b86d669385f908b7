-- Databases that let applications in, of some. $1: their names. Reads only.
SELECT datname::text FROM pg_catalog.pg_database WHERE datname = ANY ($1::text[]) AND datconnlimit NOT IN (0, -2) ORDER BY 1
