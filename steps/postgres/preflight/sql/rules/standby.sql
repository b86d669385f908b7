-- Whether this is a standby. Reads only.
SELECT 'server', '', '' WHERE pg_is_in_recovery()
