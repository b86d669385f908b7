-- The connection limit in force, and the one remembered, of each database. $1 databases.
SELECT d.datname::text, d.datconnlimit, l.connlimit
  FROM pg_database d LEFT JOIN gitover.connection_limits l ON l.datname = d.datname
 WHERE d.datname = ANY ($1::text[]) ORDER BY 1
