-- Sessions that the fence of a switch still has to end. $1 the switch's id. $2 which of them are terminated now: 'none';
-- 'idle' for those between two transactions; 'quiet' for those that run no statement; 'all'. Replication, autovacuum and the sessions of this run of the switch are
-- left alone; an extension's workers are not, since they may write like any client. No row
-- when the switch is not open: a controller that was paused during an abort terminates no
-- session.
SELECT a.pid, a.datname::text, a.usename::text, a.application_name, a.client_addr::text,
       a.state, a.xact_start, a.query_start, a.query,
       CASE WHEN $2 = 'all' OR $2 IN ('idle', 'quiet') AND a.state = 'idle' OR $2 = 'quiet' AND a.state LIKE 'idle in transaction%'
            THEN pg_terminate_backend(a.pid) ELSE false END
  FROM gitover.switches s
  JOIN pg_stat_activity a ON a.datname = ANY (s.databases)
 WHERE s.id = $1 AND s.state = 'open'
   AND a.backend_type <> ALL ('{walsender,autovacuum worker,parallel worker,logical replication worker,
       logical replication apply worker,logical replication tablesync worker,logical replication parallel worker,slotsync worker}')
   AND a.application_name <> current_setting('application_name')
