-- Settings as sessions find them, by lower-case name, as one JSON object. Reads only.
SELECT jsonb_object_agg(lower(name), coalesce(reset_val, ''))::text FROM pg_settings
