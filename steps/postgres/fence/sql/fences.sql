-- The connection limit in force, the one remembered, and whether connections are disabled, of
-- each database. $1 databases.
SELECT d.datname::text, d.datconnlimit, l.connlimit, NOT d.datallowconn
  FROM pg_database d LEFT JOIN gitover.connection_limits l ON l.datname = d.datname
 WHERE d.datname = ANY ($1::text[]) ORDER BY 1
