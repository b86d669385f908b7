-- Foreign servers: their definitions move, but the new instance may not reach them. Reads only.
SELECT 'server ' || quote_ident(s.srvname), w.fdwname::text, '' FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
