-- Whether the database has a subscription called $1, and whether it has a record of a copy. Reads only.
SELECT EXISTS (SELECT FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE s.subname = $1 AND d.datname = pg_catalog.current_database()),
       pg_catalog.to_regclass('gitover.copy_run') IS NOT NULL
