-- The time of day on this server, whenever the transaction began. No parameters.
SELECT clock_timestamp()
