-- Gives a copy its pace: $1 bytes a second that it may read (0: no limit), and $2 why it pauses (empty: it doesn't). A second run changes nothing.
UPDATE gitover.copy_run SET bytes_per_second = $1, paused = $2 WHERE (bytes_per_second, paused) IS DISTINCT FROM ($1::bigint, $2::text)
