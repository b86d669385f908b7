-- Physical standbys that no commit waits for. Receivers of WAL files and running backups aren't standbys. Reads only.
SELECT quote_ident(coalesce(nullif(r.application_name, ''), r.client_addr::text, 'without a name')), coalesce(r.sync_state, ''),
       format('Make it synchronous (synchronous_standby_names), or acknowledge %s: Gitover sees that a primary was replaced, and compares rows again.',
              'async_standbys')
FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid
WHERE s.slot_type IS DISTINCT FROM 'logical' AND r.sync_state IN ('async', 'potential') AND r.state IN ('catchup', 'streaming')
  AND r.application_name NOT IN ('pg_receivewal', 'pg_basebackup')
