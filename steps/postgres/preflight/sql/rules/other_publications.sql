-- Publications of others. Reads only.
SELECT 'publication ' || quote_ident(p.pubname), '', '' FROM pg_publication p WHERE NOT starts_with(p.pubname::text, 'gitover_')
