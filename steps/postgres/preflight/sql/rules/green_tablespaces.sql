-- Tablespaces that are to replace blue's, and don't exist. Facts: gitover.tablespaces. Reads only.
SELECT DISTINCT 'tablespace ' || quote_ident(e.value), '', format('CREATE TABLESPACE %I LOCATION ''…'';', e.value)
FROM jsonb_each_text(nullif(current_setting('gitover.tablespaces'), 'null')::jsonb) e
WHERE NOT EXISTS (SELECT FROM pg_tablespace t WHERE t.spcname = e.value)
