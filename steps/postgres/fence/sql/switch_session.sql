-- Settings of a session for a switch, whatever server, database or role say. $1: application_name.
SELECT set_config(s.name, v.value, false)
FROM (VALUES
	('application_name', $1::text),
	('synchronous_commit', 'on'),
	('default_transaction_read_only', 'off'),
	('default_transaction_isolation', 'read committed'),
	('max_parallel_workers_per_gather', '0'),
	('jit', 'off'),
	('statement_timeout', '0'),
	('lock_timeout', '0'),
	('transaction_timeout', '0'), -- from 17 on
	('idle_in_transaction_session_timeout', '0'),
	('idle_session_timeout', '0') -- from 14 on; a switch waits for its moment
) v (name, value) JOIN pg_settings s USING (name)
