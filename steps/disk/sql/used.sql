-- Bytes that the server keeps in its data directory outside of pg_wal, and in pg_wal; whether it has tablespaces of its own, which lie anywhere.
-- max_wal_size in bytes. Reads only.
SELECT (pg_catalog.pg_tablespace_size('pg_default') + pg_catalog.pg_tablespace_size('pg_global'))::bigint,
       (SELECT coalesce(sum(size), 0) FROM pg_catalog.pg_ls_waldir())::bigint,
       (SELECT count(*) > 2 FROM pg_catalog.pg_tablespace),
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_wal_size'))
