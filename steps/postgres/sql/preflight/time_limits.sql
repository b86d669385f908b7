-- Time limits of Gitover's user in this database, which cut a long copy short. Reads only.
SELECT s.name, s.reset_val || ' ' || coalesce(s.unit, ''), format('ALTER ROLE %I IN DATABASE %I SET %I = 0;', current_user, current_database(), s.name)
FROM pg_settings s
WHERE s.name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout') AND s.reset_val <> '0'
