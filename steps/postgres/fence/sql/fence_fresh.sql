-- Closes every database of a fresh server to applications, but the one for administration. Nothing where Gitover's
-- database is there: the server has been claimed. Filled in: Gitover's database (twice), the administrative one.
DO $do$
DECLARE
    d name;
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = %[1]s) THEN
        RETURN;
    END IF;
    FOR d IN SELECT datname FROM pg_catalog.pg_database
              WHERE datallowconn AND NOT datistemplate AND datname NOT IN (%[1]s, %[2]s) ORDER BY 1 LOOP
        EXECUTE pg_catalog.format('ALTER DATABASE %%I CONNECTION LIMIT 0', d);
    END LOOP;
END $do$
