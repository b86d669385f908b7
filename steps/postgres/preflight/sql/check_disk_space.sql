-- Half a MiB that isn't compressed, in a table that goes with the session. No parameters.
CREATE TEMPORARY TABLE gitover_room AS SELECT repeat('x', 1000) FROM generate_series(1, 512)
