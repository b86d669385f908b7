-- Functions, triggers and event triggers: name, definition, whether pg_dump makes it after the data; kind, scope
-- and texts of its expressions (see judge.go). Bodies by digest, but for those that are stored parsed
-- (14+, fingerprint_bodies.sql). $1: Gitover's own schema. Reads only.
SELECT CASE p.prokind WHEN 'a' THEN 'aggregate ' WHEN 'p' THEN 'procedure ' ELSE 'function ' END
         || format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)),
       concat_ws(', ', l.lanname, pg_get_function_result(p.oid), 'body ' || md5(p.prosrc), p.probin,
         p.provolatile::text || p.proparallel::text, CASE WHEN p.proisstrict THEN 'strict' END, CASE WHEN p.prosecdef THEN 'definer' END,
         CASE WHEN p.proleakproof THEN 'leakproof' END, 'owner ' || pg_get_userbyid(p.proowner), 'cost ' || p.procost, 'rows ' || p.prorows,
         'set ' || array_to_string(p.proconfig, ' '), 'names ' || array_to_string(p.proargnames, ' '),
         'modes ' || array_to_string(p.proargmodes::text[], ' '), 'defaults ' || f.defaults,
         'aggregate ' || (SELECT concat_ws(' ', a.aggtransfn::regproc, format_type(a.aggtranstype, NULL), a.aggfinalfn::regproc, a.agginitval)
                          FROM pg_aggregate a WHERE a.aggfnoid = p.oid)),
       to_jsonb(p) ->> 'prosqlbody' IS NOT NULL, CASE WHEN f.defaults IS NOT NULL THEN 'expression' END, ARRAY[''], CASE WHEN f.defaults IS NOT NULL THEN ARRAY[f.defaults] END
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang,
LATERAL (SELECT pg_get_expr(p.proargdefaults, 0) AS defaults OFFSET 0) f
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', $1) AND n.nspname !~ '^pg_(toast|temp)'
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype IN ('e', 'i'))
UNION ALL
SELECT 'trigger ' || quote_ident(t.tgname) || ' on ' || t.tgrelid::regclass::text,
       d.text || ', enabled ' || t.tgenabled::text, true, CASE WHEN t.tgqual IS NOT NULL THEN 'expression' END,
       ARRAY[format('FROM ONLY %1$s AS old, ONLY %1$s AS new', t.tgrelid::regclass)], array_remove(ARRAY[substring(d.text FROM ' WHEN \((.*)\) EXECUTE FUNCTION ')], NULL)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
LATERAL (SELECT pg_get_triggerdef(t.oid) AS text OFFSET 0) d
WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND n.nspname <> $1 AND n.nspname !~ '^pg_(toast|temp)'
UNION ALL
SELECT 'event trigger ' || quote_ident(e.evtname),
       concat_ws(', ', e.evtevent, e.evtfoid::regproc::text, 'enabled ' || e.evtenabled::text, array_to_string(e.evttags, ' ')), true, NULL, NULL, NULL
FROM pg_event_trigger e
WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')
