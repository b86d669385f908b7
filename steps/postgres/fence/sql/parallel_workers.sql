-- Minor versions that refuse parallel workers to a running query once its database takes no connections: those before
-- 13 February 2025, and all of majors that had ended by then. Reads only.
SELECT 'PostgreSQL ' || current_setting('server_version'), fixed.major || '.' || fixed.minor, ''
  FROM (VALUES (13, 19), (14, 16), (15, 11), (16, 7), (17, 3)) AS fixed(major, minor)
 WHERE current_setting('server_version_num')::int / 10000 = fixed.major
   AND current_setting('server_version_num')::int % 10000 < fixed.minor
