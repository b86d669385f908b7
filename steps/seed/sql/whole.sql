-- Makes of a copy of blue what green is before it serves: only the databases of the upgrade, every one of them closed to
-- applications, and none of blue's decisions. Run by psql in template1; keep: names of databases as JSON, maintenance: the
-- database for administration, which stays open. A second run changes nothing.
SELECT format('ALTER DATABASE %I IS_TEMPLATE false', datname), format('DROP DATABASE %I', datname)
  FROM pg_database
 WHERE datname NOT IN ('template0', 'template1', 'postgres', :'maintenance')
   AND datname NOT IN (SELECT json_array_elements_text(:'keep'::json))
\gexec
SELECT format('ALTER DATABASE %I CONNECTION LIMIT 0', datname)
  FROM pg_database
 WHERE datname NOT IN ('template0', 'template1', :'maintenance')
\gexec
CREATE DATABASE gitover TEMPLATE template0;
REVOKE ALL ON DATABASE gitover FROM PUBLIC;
