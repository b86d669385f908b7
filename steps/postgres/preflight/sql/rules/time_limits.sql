-- Time limits that Gitover's user has in this database, by configuration, database or role, which
-- cut a long copy short on older minor releases. Reads only.
WITH limits(name, value) AS (
  SELECT split_part(c.entry, '=', 1), split_part(c.entry, '=', 2)
  FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS c(entry)
  WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user))
  UNION
  SELECT f.name, f.setting FROM pg_file_settings f WHERE f.applied
)
SELECT l.name, l.value, format('ALTER ROLE %I IN DATABASE %I SET %I = 0;', current_user, current_database(), l.name)
FROM limits l
WHERE l.name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout') AND l.value !~ '^0'
