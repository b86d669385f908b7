-- Extensions that can be made, with their default versions, as one JSON object. Reads only.
SELECT coalesce(jsonb_object_agg(name, default_version), '{}')::text FROM pg_available_extensions
