-- Pages of large objects $1, in order. Reads only; superusers only.
SELECT loid, pageno, data FROM pg_largeobject WHERE loid = ANY ($1::oid[]) ORDER BY loid, pageno
