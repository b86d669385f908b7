-- Prepared transactions. $1 databases.
SELECT gid, database::text, owner::text, prepared FROM pg_prepared_xacts
 WHERE database = ANY ($1::text[]) ORDER BY prepared
