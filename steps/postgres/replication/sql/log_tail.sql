-- The end of the server's own log, 64 KiB at most, and the origin's name by which it tells a subscription's worker
-- from other sessions (documentation, 50). No row where the server keeps no log file of its own
-- (logging_collector), or the subscription is absent. $1: its name. Reads only; superusers only.
SELECT 'pg_' || s.oid, pg_read_binary_file(l.file, greatest(l.size - 65536, 0), 65536, true)
FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
CROSS JOIN LATERAL (SELECT f.file, (pg_stat_file(f.file, true)).size FROM (SELECT pg_current_logfile('stderr') AS file) f
                    WHERE f.file IS NOT NULL) l
WHERE d.datname = current_database() AND s.subname = $1 AND l.size IS NOT NULL
