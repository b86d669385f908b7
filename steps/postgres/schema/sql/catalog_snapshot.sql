-- A number for each kind of object that an application's DDL creates, changes or drops in the current
-- database, and for roles: it changes if DDL did so. Gitover's own and temporary objects are left out.
-- Every change of a catalog's row gives it a new xmin, which stays when the row is frozen. Of pg_class and
-- pg_index columns are read instead: TRUNCATE, VACUUM, REINDEX, CLUSTER and REFRESH update those rows, too.
-- Comments count for objects that aren't the server's own. No parameters, so that it is planned once. Needs
-- superuser (pg_authid, pg_user_mapping). Reads only.
WITH schemas AS MATERIALIZED (
  SELECT oid, xmin FROM pg_namespace
  WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'gitover') AND nspname !~ '^pg_(toast|temp)'
), relations AS MATERIALIZED (
  SELECT oid, relkind, relacl,
         ROW(relname, relnamespace, relowner, relam, relpersistence, relreplident, relrowsecurity, relforcerowsecurity, reloftype, reloptions)::text AS value
  FROM pg_class
  WHERE relnamespace IN (SELECT oid FROM schemas) AND relpersistence <> 't'
), things(kind, key, value) AS (
  SELECT CASE relkind WHEN 'i' THEN 'indexes' WHEN 'I' THEN 'indexes' WHEN 'S' THEN 'sequences' WHEN 'v' THEN 'views' WHEN 'm' THEN 'views'
           WHEN 'c' THEN 'types' ELSE 'tables' END, oid::bigint, value FROM relations
  UNION ALL SELECT 'rights', oid::bigint, relacl::text FROM relations WHERE relacl IS NOT NULL
  UNION ALL SELECT 'columns', (a.attrelid::bigint << 16) + a.attnum, a.xmin::text
    FROM pg_attribute a JOIN relations r ON r.oid = a.attrelid AND r.relkind NOT IN ('i', 'I', 'S') WHERE a.attnum > 0
  UNION ALL SELECT 'columns', d.oid::bigint, d.xmin::text FROM pg_attrdef d JOIN relations r ON r.oid = d.adrelid
  UNION ALL SELECT 'indexes', i.indexrelid::bigint, concat(i.indisvalid, i.indisready, i.indislive, i.indisreplident, i.indisunique, i.indisprimary, i.indimmediate)
    FROM pg_index i JOIN relations r ON r.oid = i.indexrelid
  UNION ALL SELECT 'constraints', oid::bigint, xmin::text FROM pg_constraint WHERE connamespace IN (SELECT oid FROM schemas)
  UNION ALL SELECT 'triggers', t.oid::bigint, t.xmin::text FROM pg_trigger t JOIN relations r ON r.oid = t.tgrelid
  UNION ALL SELECT 'triggers', oid::bigint, xmin::text FROM pg_event_trigger
  UNION ALL SELECT 'views', w.oid::bigint, w.xmin::text FROM pg_rewrite w JOIN relations r ON r.oid = w.ev_class
  UNION ALL SELECT 'policies', p.oid::bigint, p.xmin::text FROM pg_policy p JOIN relations r ON r.oid = p.polrelid
  UNION ALL SELECT 'tables', i.inhrelid::bigint, i.xmin::text FROM pg_inherits i JOIN relations r ON r.oid = i.inhrelid
  UNION ALL SELECT 'tables', p.partrelid::bigint, p.xmin::text FROM pg_partitioned_table p JOIN relations r ON r.oid = p.partrelid
  UNION ALL SELECT 'foreign tables', ftrelid::bigint, xmin::text FROM pg_foreign_table
  UNION ALL SELECT 'foreign servers', oid::bigint, xmin::text FROM pg_foreign_server
  UNION ALL SELECT 'foreign servers', oid::bigint, xmin::text FROM pg_foreign_data_wrapper
  UNION ALL SELECT 'foreign servers', oid::bigint, xmin::text FROM pg_user_mapping
  UNION ALL SELECT 'sequences', s.seqrelid::bigint, s.xmin::text FROM pg_sequence s JOIN relations r ON r.oid = s.seqrelid
  UNION ALL SELECT 'sequences', d.objid::bigint, concat_ws(' ', d.refobjid, d.refobjsubid, d.deptype)
    FROM pg_depend d JOIN relations r ON r.oid = d.objid AND r.relkind = 'S'
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
  UNION ALL SELECT 'functions', oid::bigint, xmin::text FROM pg_proc WHERE pronamespace IN (SELECT oid FROM schemas)
  UNION ALL SELECT 'types', oid::bigint, xmin::text FROM pg_type WHERE typnamespace IN (SELECT oid FROM schemas)
  UNION ALL SELECT 'types', oid::bigint, xmin::text FROM pg_enum WHERE oid >= 16384
  UNION ALL SELECT 'schemas', oid::bigint, xmin::text FROM schemas
  UNION ALL SELECT 'extensions', oid::bigint, xmin::text FROM pg_extension
  UNION ALL SELECT 'languages', oid::bigint, xmin::text FROM pg_language
  UNION ALL SELECT 'statistics', oid::bigint, xmin::text FROM pg_statistic_ext
  UNION ALL SELECT 'operators', oid::bigint, xmin::text FROM pg_operator WHERE oid >= 16384
  UNION ALL SELECT 'operators', oid::bigint, xmin::text FROM pg_opclass WHERE oid >= 16384
  UNION ALL SELECT 'operators', oid::bigint, xmin::text FROM pg_opfamily WHERE oid >= 16384
  UNION ALL SELECT 'operators', oid::bigint, xmin::text FROM pg_amop WHERE oid >= 16384
  UNION ALL SELECT 'operators', oid::bigint, xmin::text FROM pg_amproc WHERE oid >= 16384
  UNION ALL SELECT 'casts', oid::bigint, xmin::text FROM pg_cast WHERE oid >= 16384
  UNION ALL SELECT 'collations', oid::bigint, xmin::text FROM pg_collation WHERE oid >= 16384
  UNION ALL SELECT 'collations', oid::bigint, xmin::text FROM pg_conversion WHERE oid >= 16384
  UNION ALL SELECT 'text search', oid::bigint, xmin::text FROM pg_ts_config WHERE oid >= 16384
  UNION ALL SELECT 'text search', mapcfg::bigint, xmin::text FROM pg_ts_config_map WHERE mapcfg >= 16384
  UNION ALL SELECT 'text search', oid::bigint, xmin::text FROM pg_ts_dict WHERE oid >= 16384
  UNION ALL SELECT 'text search', oid::bigint, xmin::text FROM pg_ts_parser WHERE oid >= 16384
  UNION ALL SELECT 'text search', oid::bigint, xmin::text FROM pg_ts_template WHERE oid >= 16384
  UNION ALL SELECT 'rights', oid::bigint, xmin::text FROM pg_default_acl
  UNION ALL SELECT 'rights', oid::bigint, concat_ws(' ', datdba, datacl) FROM pg_database WHERE datname = current_database()
  UNION ALL SELECT 'comments', d.objoid::bigint, concat_ws(' ', d.classoid, d.objsubid, d.xmin) FROM pg_description d
    WHERE (d.objoid >= 16384 OR d.classoid = 'pg_namespace'::regclass)
      AND d.classoid NOT IN ('pg_publication'::regclass, 'pg_subscription'::regclass)
      AND NOT (d.classoid = 'pg_class'::regclass AND d.objoid NOT IN (SELECT oid FROM relations))
  UNION ALL SELECT 'roles', oid::bigint, xmin::text FROM pg_authid WHERE rolname !~ '^(pg_|gitover_)'
  UNION ALL SELECT 'roles', m.member::bigint, concat_ws(' ', m.roleid, m.xmin) FROM pg_auth_members m JOIN pg_authid a ON a.oid = m.member
    WHERE a.rolname !~ '^(pg_|gitover_)'
  UNION ALL SELECT 'settings', s.setrole::bigint, concat_ws(' ', s.setdatabase, o) FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) o
    WHERE o !~ '^default_transaction_read_only=' AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
)
SELECT kind, sum(hashtextextended(value, key))::text FROM things GROUP BY kind
