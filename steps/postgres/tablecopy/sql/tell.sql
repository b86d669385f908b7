-- Notes how far a copy is, $1 as JSON, and returns the pace that a controller gives it: bytes a second (0: no limit, -1: as it was started), and why it pauses
-- (empty: it doesn't). A crash may take the note back.
UPDATE gitover.copy_run SET progress = $1::text::jsonb, told = now() RETURNING coalesce(bytes_per_second, -1), paused
