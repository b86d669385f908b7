-- Replication slots of others. Facts: gitover.prefix. Reads only.
SELECT 'slot ' || quote_ident(s.slot_name), format('%s, %s%s', s.slot_type, CASE WHEN s.active THEN 'in use' ELSE 'idle' END, coalesce(', database ' || quote_ident(s.database), '')),
       CASE WHEN s.active THEN '' ELSE format('SELECT pg_drop_replication_slot(%L);', s.slot_name) END
FROM pg_replication_slots s
WHERE NOT s.temporary AND NOT starts_with(s.slot_name::text, 'gitover_') AND s.slot_name !~ '^pg_[0-9]+_sync_'
