-- What the record of a copy says: its slot; how far it is, as JSON (empty: it hasn't said so), and how many seconds ago it said so; bytes a second that it may
-- read (0: no limit, -1: as it was started), and why it pauses (empty: it doesn't); whether it is finished. Reads only.
SELECT slot, coalesce(progress::text, ''), coalesce(extract(epoch FROM now() - told)::float8, 0), coalesce(bytes_per_second, -1), paused, finished IS NOT NULL
FROM gitover.copy_run
