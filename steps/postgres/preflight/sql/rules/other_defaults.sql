-- Server settings that applications notice and that differ on green. Facts: gitover.green_settings.
-- Reads only.
SELECT s.name, format('%s here, %s there', quote_literal(s.reset_val), quote_literal(g.v)), format('set %s = %L on the new instance', s.name, s.reset_val)
FROM pg_settings s, LATERAL (SELECT current_setting('gitover.green_settings')::jsonb ->> lower(s.name) AS v) g
WHERE s.name IN ('TimeZone', 'DateStyle', 'IntervalStyle', 'default_transaction_isolation', 'standard_conforming_strings', 'default_text_search_config',
                 'max_connections', 'max_prepared_transactions', 'password_encryption', 'bytea_output', 'extra_float_digits')
  AND CASE WHEN s.name LIKE 'max_%' THEN g.v::bigint < s.reset_val::bigint ELSE g.v <> s.reset_val END
