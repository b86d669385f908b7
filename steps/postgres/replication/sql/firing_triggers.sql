-- Triggers that also fire where changes are applied. Reads only.
SELECT format('trigger %I on %s', t.tgname, t.tgrelid::regclass), CASE t.tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END,
       format('ALTER TABLE %s ENABLE TRIGGER %I;', t.tgrelid::regclass, t.tgname)
FROM pg_trigger t WHERE NOT t.tgisinternal AND t.tgenabled IN ('A', 'R')
UNION ALL
SELECT format('event trigger %I', e.evtname), CASE e.evtenabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END,
       format('ALTER EVENT TRIGGER %I ENABLE;', e.evtname)
FROM pg_event_trigger e WHERE e.evtenabled IN ('A', 'R')
UNION ALL
SELECT format('rule %I on %s', r.rulename, r.ev_class::regclass), CASE r.ev_enabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END,
       format('ALTER TABLE %s ENABLE RULE %I;', r.ev_class::regclass, r.rulename)
FROM pg_rewrite r WHERE r.rulename <> '_RETURN' AND r.ev_enabled IN ('A', 'R')
