-- Ends every other session that a switch opened on this server: a controller that was paused
-- finds its connections closed. $1 application_name of our own sessions. A second run finds
-- none; the caller repeats until no row comes back.
SELECT pid, pg_terminate_backend(pid)
  FROM pg_stat_activity
 WHERE application_name LIKE 'gitover switch %' AND application_name <> $1
