-- Closes every database of a fresh server to applications, but the one for administration. Nothing where Gitover's
-- database is there: the server has been claimed. Databases that the upgrade leaves out stay open: nothing would open them again; leave_out.sql has
-- named them in this session. Filled in: Gitover's database (twice), the administrative one.
DO $do$
DECLARE
    d name;
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = %[1]s) THEN
        RETURN;
    END IF;
    FOR d IN SELECT datname FROM pg_catalog.pg_database
              WHERE datallowconn AND NOT datistemplate AND datname NOT IN (%[1]s, %[2]s)
                AND datname <> ALL (pg_catalog.current_setting('gitover.left_out')::name[]) ORDER BY 1 LOOP
        EXECUTE pg_catalog.format('ALTER DATABASE %%I CONNECTION LIMIT 0', d);
    END LOOP;
END $do$
