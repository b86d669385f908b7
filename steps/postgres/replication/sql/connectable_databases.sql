-- Databases that sessions can be opened in, fenced ones too. Reads only.
SELECT datname::text FROM pg_database WHERE datallowconn AND datconnlimit <> -2 AND NOT datistemplate ORDER BY 1
