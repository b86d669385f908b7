-- Extensions whose data logical replication can't carry. Reads only.
SELECT 'extension ' || quote_ident(e.extname), '', format('move what %I keeps by its own tools, then DROP EXTENSION %I;', e.extname, e.extname)
FROM pg_extension e WHERE e.extname IN ('timescaledb', 'citus', 'pglogical', 'bdr')
