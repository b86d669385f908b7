-- Locks that copying the current database's schema takes in one transaction, about: of pg_dump and of the
-- restore. pg_dump locks each table and partition, and the views that others are made of. A restore locks
-- whatever it makes: also TOAST, indexes and sequences, and functions and types that it gives to their owners.
-- $1: Gitover's own schema, left out. Reads only.
SELECT (SELECT count(*) FILTER (WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f'))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid >= 16384 AND n.nspname !~ '^pg_' AND n.nspname <> $1)::bigint,
       ((SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid >= 16384 AND n.nspname !~ '^pg_(toast_)?temp' AND n.nspname <> $1)
      + (SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE p.oid >= 16384 AND n.nspname !~ '^pg_' AND n.nspname <> $1)
      + (SELECT count(*) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
         WHERE t.oid >= 16384 AND t.typtype IN ('d', 'e', 'r') AND n.nspname !~ '^pg_' AND n.nspname <> $1))::bigint
