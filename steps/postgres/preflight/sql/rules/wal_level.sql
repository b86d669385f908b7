-- wal_level, and whether the right value only waits for a restart. From 19 on replica will do: the server turns to
-- logical by itself while it has a logical slot. Reads only.
SELECT 'wal_level', s.setting || CASE WHEN s.pending_restart THEN '; another value waits for a restart' ELSE '' END,
       CASE WHEN s.sourcefile IS NOT NULL THEN ' It is set in ' || s.sourcefile || ', line ' || s.sourceline || '.' ELSE '' END
FROM pg_settings s WHERE s.name = 'wal_level' AND s.setting <> 'logical'
  AND NOT (s.setting = 'replica' AND current_setting('server_version_num')::int >= 190000)
