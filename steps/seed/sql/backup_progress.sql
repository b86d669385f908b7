-- Bytes of a base backup: the whole, and what was sent. $1: the connection's application name. No row if there is none. Reads only.
SELECT coalesce(p.backup_total, 0), p.backup_streamed
  FROM pg_stat_progress_basebackup p JOIN pg_stat_activity a ON a.pid = p.pid
 WHERE a.application_name = $1
 ORDER BY a.backend_start DESC LIMIT 1
