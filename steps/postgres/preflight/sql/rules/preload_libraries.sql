-- Libraries that are loaded here and not on green. Facts: gitover.green_settings. Reads only.
SELECT 'shared_preload_libraries', l.name, format('add %s to shared_preload_libraries of the new instance', l.name)
FROM (SELECT trim(both ' "' from unnest(string_to_array(current_setting('shared_preload_libraries'), ','))) AS name) l
WHERE l.name <> '' AND l.name NOT IN (SELECT trim(both ' "' from unnest(string_to_array(current_setting('gitover.green_settings')::jsonb ->> 'shared_preload_libraries', ','))))
