-- Foreign servers: definitions move, reachability from elsewhere is another matter. Reads only.
SELECT 'server ' || quote_ident(s.srvname), w.fdwname::text, '' FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
