-- What keeps a server's data directory from being copied and upgraded as it is. Facts: gitover.target, gitover.databases. Reads only.
WITH t AS (SELECT current_setting('gitover.target')::int AS target, current_setting('gitover.databases')::int AS databases,
                  current_setting('server_version_num')::int / 10000 AS source)
SELECT 'version ' || target, 'pg_upgrade goes to newer versions only', 'Nothing to do.'
  FROM t WHERE target <= source
UNION ALL
SELECT 'tablespace ' || quote_ident(spcname), 'its files are outside of the data directory', format('DROP TABLESPACE %I; once it is empty.', spcname)
  FROM pg_tablespace WHERE spcname !~ '^pg_'
UNION ALL
SELECT 'max_wal_senders', format('a base backup takes two; %s of %s are in use', used, current_setting('max_wal_senders')), 'Raise it, and restart the server.'
  FROM (SELECT count(*) AS used FROM pg_stat_replication) r WHERE current_setting('max_wal_senders')::int - used < 2
UNION ALL
SELECT 'max_replication_slots', format('%s and one for the base backup are needed; %s of %s are in use', databases, used, current_setting('max_replication_slots')), 'Raise it, and restart the server.'
  FROM t, (SELECT count(*) AS used FROM pg_replication_slots) r WHERE current_setting('max_replication_slots')::int - used < databases + 1
UNION ALL
SELECT 'database ' || quote_ident(datname), 'its text search takes the rules of words from its own locale provider from version 18 on, so that indexes would miss rows', 'Nothing to do.'
  FROM t, pg_database d WHERE source < 18 AND target >= 18 AND datallowconn AND NOT datistemplate AND coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') <> 'c'
UNION ALL
SELECT 'role ' || quote_ident(rolname), 'its password is stored as MD5, which the new instance''s pg_hba.conf wouldn''t take from Gitover', 'Set password_encryption = ''scram-sha-256'', then set the same password again.'
  FROM pg_authid WHERE rolname = session_user AND rolpassword LIKE 'md5%'
