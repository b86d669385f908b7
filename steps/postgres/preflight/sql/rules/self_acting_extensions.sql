-- Extensions that act by themselves or keep data that replication doesn't carry. Reads only.
SELECT 'extension ' || quote_ident(e.extname), k.what, k.fix
FROM pg_extension e JOIN (VALUES
  ('pg_cron', 'its jobs would run on both sides', 'leave cron.database_name unset on the new instance until the cutover'),
  ('pg_partman', 'its maintenance is DDL, which stops the upgrade', 'pause partition maintenance (pg_partman_bgw or the job that calls it) until the upgrade is finished'),
  ('pgagent', 'its jobs would run on both sides', 'point the agent at the proxy only')) AS k(name, what, fix) ON k.name = e.extname
