-- wal_level, and whether the right value only waits for a restart. Reads only.
SELECT 'wal_level', s.setting || CASE WHEN s.pending_restart THEN '; another value waits for a restart' ELSE '' END,
       CASE WHEN s.sourcefile IS NOT NULL THEN ' It is set in ' || s.sourcefile || ', line ' || s.sourceline || '.' ELSE '' END
FROM pg_settings s WHERE s.name = 'wal_level' AND s.setting <> 'logical'
