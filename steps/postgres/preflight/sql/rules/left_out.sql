-- What the database "postgres" holds if the upgrade leaves it out. Rows of extensions count by their
-- extension. Reads only.
SELECT 'extension ' || quote_ident(e.extname), '', '' FROM pg_extension e WHERE e.extname <> 'plpgsql'
UNION ALL SELECT 'schema ' || quote_ident(n.nspname), '', '' FROM pg_namespace n
  WHERE n.oid >= 16384 AND n.nspname !~ '^pg_' AND n.nspname <> 'gitover'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')
UNION ALL SELECT 'type ' || format_type(t.oid, NULL), '', '' FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
  WHERE t.oid >= 16384 AND n.nspname !~ '^pg_' AND n.nspname <> 'gitover' AND t.typtype IN ('d', 'e', 'r')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')
UNION ALL SELECT 'foreign server ' || quote_ident(s.srvname), '', '' FROM pg_foreign_server s
UNION ALL SELECT 'event trigger ' || quote_ident(v.evtname), '', '' FROM pg_event_trigger v
  WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = v.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')
UNION ALL SELECT count(*) || ' large objects', '', '' FROM pg_largeobject_metadata HAVING count(*) > 0
UNION ALL SELECT count(*) || ' functions', '', '' FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE p.oid >= 16384 AND n.nspname !~ '^pg_' AND n.nspname <> 'gitover'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e') HAVING count(*) > 0
UNION ALL SELECT count(*) || ' tables, views and sequences', '', '' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'f', 'm', 'v', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'gitover'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e') HAVING count(*) > 0
