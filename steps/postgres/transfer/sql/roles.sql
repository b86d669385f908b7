-- Every role but the predefined and Gitover's own, as ALTER ROLE wants it; the password as
-- its stored hash. Needs superuser (pg_authid). Reads only.
SELECT r.rolname::text,
       concat_ws(' ',
         CASE WHEN r.rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END,
         CASE WHEN r.rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,
         CASE WHEN r.rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END,
         CASE WHEN r.rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
         CASE WHEN r.rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
         CASE WHEN r.rolreplication THEN 'REPLICATION' ELSE 'NOREPLICATION' END,
         CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END,
         'CONNECTION LIMIT ' || r.rolconnlimit,
         'VALID UNTIL ' || quote_literal(coalesce(r.rolvaliduntil, 'infinity'))),
       r.rolpassword, shobj_description(r.oid, 'pg_authid')
FROM pg_authid r
WHERE r.rolname !~ '^(pg_|gitover_)'
ORDER BY r.rolname
