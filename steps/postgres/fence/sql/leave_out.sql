-- Names the databases that fence_fresh.sql leaves open, for this session. $1 their names. A second run names others.
SELECT pg_catalog.set_config('gitover.left_out', $1::name[]::text, false)
