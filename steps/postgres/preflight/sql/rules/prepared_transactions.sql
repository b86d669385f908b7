-- Prepared transactions. Reads only.
SELECT 'transaction ' || quote_literal(p.gid), format('prepared %s by %I', p.prepared, p.owner),
       format('COMMIT PREPARED %1$L; or ROLLBACK PREPARED %1$L; in database %2$I', p.gid, p.database)
FROM pg_prepared_xacts p
