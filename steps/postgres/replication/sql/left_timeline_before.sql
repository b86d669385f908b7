-- Whether this server's history left timeline $1 before position $2; null if it never was on it. Each line of the history
-- has the timeline, and where the next one began. Reads only.
SELECT CASE
  WHEN f.timeline = $1::int THEN false
  ELSE (SELECT split_part(line, E'\t', 2)::pg_lsn < $2::pg_lsn
        FROM regexp_split_to_table(pg_read_file('pg_wal/' || upper(lpad(to_hex(f.timeline), 8, '0')) || '.history', 0, 1048576, true), E'\n') line
        WHERE split_part(line, E'\t', 1) = $1::int::text
        LIMIT 1) END
FROM (SELECT ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int AS timeline) f
