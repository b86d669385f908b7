-- Every database but the templates and Gitover's own, with what CREATE DATABASE needs.
-- $1: Gitover's own database. Columns added after 13 are read through JSON. Reads only.
SELECT d.datname::text, r.rolname::text, pg_encoding_to_char(d.encoding)::text,
       d.datcollate::text, d.datctype::text,
       coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'),
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', ''),
       coalesce(to_jsonb(d) ->> 'daticurules', ''),
       d.datconnlimit,
       CASE WHEN d.datconnlimit = -2 THEN 'is invalid: its DROP DATABASE was interrupted'
            WHEN NOT d.datallowconn THEN 'allows no connections' ELSE '' END
FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba
WHERE NOT d.datistemplate AND d.datname <> $1
ORDER BY d.datname
