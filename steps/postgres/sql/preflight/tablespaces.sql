-- Tablespaces of users. Reads only.
SELECT 'tablespace ' || quote_ident(spcname), '', '' FROM pg_tablespace WHERE spcname !~ '^pg_'
