-- Things of newer versions that the older target can't have. Facts: gitover.target. Columns that
-- an older server lacks are read through JSON and are NULL there. Reads only.
WITH t AS (SELECT current_setting('gitover.target')::int AS target),
users AS (SELECT oid, nspname FROM pg_namespace WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'gitover') AND nspname !~ '^pg_(toast|temp)')
SELECT 'index ' || i.indexrelid::regclass, 'up to 18 btree_gist''s operator class, not GiST''s own, is the default for inet and cidr, so that a dump means another one', format('DROP INDEX %s; or the constraint', i.indexrelid::regclass)
FROM t, pg_index i
WHERE target < 19 AND current_setting('server_version_num')::int >= 190000
  AND EXISTS (SELECT FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod
              WHERE o.oid = ANY (i.indclass) AND m.amname = 'gist' AND o.opcname IN ('inet_ops', 'gist_inet_ops', 'gist_cidr_ops'))
UNION ALL
SELECT 'foreign-data wrapper ' || quote_ident(w.fdwname), 'wrappers with a CONNECTION function exist from 19 on', format('ALTER FOREIGN DATA WRAPPER %I NO CONNECTION;', w.fdwname)
FROM t, pg_foreign_data_wrapper w
WHERE target < 19 AND (to_jsonb(w) ->> 'fdwconnection')::oid <> 0
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_foreign_data_wrapper'::regclass AND e.objid = w.oid AND e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e')
UNION ALL
SELECT format('column %s.%I', a.attrelid::regclass, a.attname), 'virtual generated columns exist from 18 on',
       format('ALTER TABLE %s DROP COLUMN %I; and add it GENERATED ALWAYS AS (…) STORED', a.attrelid::regclass, a.attname)
FROM t, pg_attribute a WHERE target < 18 AND a.attgenerated = 'v'
UNION ALL
SELECT format('constraint %I on %s', k.conname, k.conrelid::regclass), 'temporal keys exist from 18 on', format('ALTER TABLE %s DROP CONSTRAINT %I;', k.conrelid::regclass, k.conname)
FROM t, pg_constraint k WHERE target < 18 AND (to_jsonb(k) ->> 'conperiod')::bool
UNION ALL
SELECT format('constraint %I on %s', k.conname, k.conrelid::regclass), 'constraints that aren''t enforced exist from 18 on', format('ALTER TABLE %s DROP CONSTRAINT %I;', k.conrelid::regclass, k.conname)
FROM t, pg_constraint k WHERE target < 18 AND NOT (to_jsonb(k) ->> 'conenforced')::bool
UNION ALL
SELECT format('constraint %I on %s', k.conname, k.conrelid::regclass), 'NOT NULL that is not valid, or not inherited, exists from 18 on', format('ALTER TABLE %s VALIDATE CONSTRAINT %I; or drop it', k.conrelid::regclass, k.conname)
FROM t, pg_constraint k WHERE target < 18 AND k.contype = 'n' AND (NOT k.convalidated OR k.connoinherit)
UNION ALL
SELECT format('event trigger %I', e.evtname), 'login event triggers exist from 17 on', format('DROP EVENT TRIGGER %I;', e.evtname)
FROM t, pg_event_trigger e WHERE target < 17 AND e.evtevent = 'login'
UNION ALL
SELECT format('collation %I.%I', u.nspname, c.collname), 'collations of the provider builtin exist from 17 on', format('DROP COLLATION %I.%I;', u.nspname, c.collname)
FROM t, pg_collation c JOIN users u ON u.oid = c.collnamespace WHERE target < 17 AND c.collprovider = 'b'
UNION ALL
SELECT 'database ' || quote_ident(d.datname), CASE d.j ->> 'datlocprovider' WHEN 'b' THEN 'databases with the provider builtin exist from 17 on' ELSE 'databases with an ICU locale exist from 15 on' END,
       'move the tables into a database with a locale of the C library'
FROM t, (SELECT datname, to_jsonb(x) AS j FROM pg_database x WHERE datname = current_database()) d
WHERE target < 17 AND d.j ->> 'datlocprovider' = 'b' OR target < 15 AND d.j ->> 'datlocprovider' = 'i'
UNION ALL
SELECT 'identity of partitioned table ' || c.oid::regclass, 'identity columns of partitioned tables work from 17 on', format('ALTER TABLE %s ALTER %I DROP IDENTITY;', c.oid::regclass, a.attname)
FROM t, pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE target < 17 AND c.relispartition AND a.attidentity <> ''
UNION ALL
SELECT 'rights on ' || c.oid::regclass, 'MAINTAIN without all other rights exists from 17 on', format('REVOKE MAINTAIN ON %s FROM %s;', c.oid::regclass, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END)
FROM t, pg_class c CROSS JOIN aclexplode(c.relacl) x
WHERE target < 17 AND x.privilege_type = 'MAINTAIN' AND NOT EXISTS (SELECT FROM aclexplode(c.relacl) y WHERE y.grantee = x.grantee AND y.privilege_type = 'TRIGGER')
UNION ALL
SELECT 'index ' || i.indexrelid::regclass, 'NULLS NOT DISTINCT exists from 15 on', format('DROP INDEX %s; or the constraint', i.indexrelid::regclass)
FROM t, pg_index i WHERE target < 15 AND (to_jsonb(i) ->> 'indnullsnotdistinct')::bool
UNION ALL
SELECT 'view ' || c.oid::regclass, 'security_invoker exists from 15 on', format('ALTER VIEW %s RESET (security_invoker);', c.oid::regclass)
FROM t, pg_class c WHERE target < 15 AND c.relkind = 'v' AND c.reloptions::text ~ 'security_invoker'
UNION ALL
SELECT format('constraint %I on %s', k.conname, k.conrelid::regclass), 'ON DELETE SET NULL (columns) exists from 15 on', format('ALTER TABLE %s DROP CONSTRAINT %I;', k.conrelid::regclass, k.conname)
FROM t, pg_constraint k WHERE target < 15 AND jsonb_typeof(to_jsonb(k) -> 'confdelsetcols') = 'array'
UNION ALL
SELECT 'function ' || p.oid::regprocedure, CASE WHEN p.prokind = 'p' THEN 'procedures with OUT parameters' ELSE 'bodies in standard SQL' END || ' exist from 14 on', format('write %s with a quoted body and INOUT parameters', p.oid::regprocedure)
FROM t, pg_proc p JOIN users u ON u.oid = p.pronamespace WHERE target < 14 AND (to_jsonb(p) ->> 'prosqlbody' IS NOT NULL OR p.prokind = 'p' AND 'o' = ANY (p.proargmodes))
UNION ALL
SELECT 'type ' || format_type(y.oid, NULL), 'from 14 on a range type brings a multirange type, which an older server can''t take', format('DROP TYPE %s;', format_type(y.oid, NULL))
FROM t, pg_type y JOIN users u ON u.oid = y.typnamespace WHERE target < 14 AND current_setting('server_version_num')::int >= 140000 AND y.typtype = 'r'
UNION ALL
SELECT format('column %s.%I', a.attrelid::regclass, a.attname), 'multiranges exist from 14 on', format('ALTER TABLE %s DROP COLUMN %I;', a.attrelid::regclass, a.attname)
FROM t, pg_attribute a JOIN pg_type y ON y.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid JOIN users u ON u.oid = c.relnamespace WHERE target < 14 AND y.typtype = 'm' AND NOT a.attisdropped
UNION ALL
SELECT format('column %s.%I', a.attrelid::regclass, a.attname), 'compression other than pglz exists from 14 on', format('ALTER TABLE %s ALTER %I SET COMPRESSION pglz;', a.attrelid::regclass, a.attname)
FROM t, pg_attribute a WHERE target < 14 AND to_jsonb(a) ->> 'attcompression' = 'l'
UNION ALL
SELECT format('statistics %I.%I', u.nspname, s.stxname), 'statistics on expressions exist from 14 on', format('DROP STATISTICS %I.%I;', u.nspname, s.stxname)
FROM t, pg_statistic_ext s JOIN users u ON u.oid = s.stxnamespace WHERE target < 14 AND to_jsonb(s) ->> 'stxexprs' IS NOT NULL
