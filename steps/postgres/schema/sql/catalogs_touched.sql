-- A cheap proof that no row of a catalog was written: for each catalog that the snapshot reads, how many rows there
-- are, and a sum of those written at or after transaction gitover.counted_from (a setting of the session: with a
-- parameter the statement would be planned each time). A different answer doesn't prove a change: TRUNCATE,
-- maintenance and temporary tables write catalogs, too. The same answer means that the snapshot is unchanged. Reads
-- only.
WITH bound AS MATERIALIZED (
  SELECT age(since::xid) AS age, pg_snapshot_xmax(pg_current_snapshot())::text::bigint - since::text::bigint > 1000000000 AS too_old
  FROM (SELECT current_setting('gitover.counted_from')::xid8) s(since)
), catalogs(name, rows, newer) AS (
  SELECT 'ages of transactions wrap around', too_old::int, 0 FROM bound UNION ALL
  SELECT 'pg_namespace', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_namespace
  UNION ALL SELECT 'pg_class', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_class
  UNION ALL SELECT 'pg_attribute', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_attribute
  UNION ALL SELECT 'pg_attrdef', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_attrdef
  UNION ALL SELECT 'pg_index', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_index
  UNION ALL SELECT 'pg_constraint', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_constraint
  UNION ALL SELECT 'pg_trigger', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_trigger
  UNION ALL SELECT 'pg_event_trigger', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_event_trigger
  UNION ALL SELECT 'pg_rewrite', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_rewrite
  UNION ALL SELECT 'pg_policy', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_policy
  UNION ALL SELECT 'pg_inherits', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_inherits
  UNION ALL SELECT 'pg_partitioned_table', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_partitioned_table
  UNION ALL SELECT 'pg_foreign_table', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_foreign_table
  UNION ALL SELECT 'pg_foreign_server', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_foreign_server
  UNION ALL SELECT 'pg_foreign_data_wrapper', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_foreign_data_wrapper
  UNION ALL SELECT 'pg_user_mapping', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_user_mapping
  UNION ALL SELECT 'pg_sequence', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_sequence
  UNION ALL SELECT 'pg_depend', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_depend WHERE classid = 'pg_class'::regclass
  UNION ALL SELECT 'pg_proc', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_proc
  UNION ALL SELECT 'pg_type', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_type
  UNION ALL SELECT 'pg_enum', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_enum
  UNION ALL SELECT 'pg_extension', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_extension
  UNION ALL SELECT 'pg_language', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_language
  UNION ALL SELECT 'pg_statistic_ext', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_statistic_ext
  UNION ALL SELECT 'pg_operator', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_operator
  UNION ALL SELECT 'pg_opclass', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_opclass
  UNION ALL SELECT 'pg_opfamily', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_opfamily
  UNION ALL SELECT 'pg_amop', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_amop
  UNION ALL SELECT 'pg_amproc', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_amproc
  UNION ALL SELECT 'pg_cast', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_cast
  UNION ALL SELECT 'pg_collation', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_collation
  UNION ALL SELECT 'pg_conversion', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_conversion
  UNION ALL SELECT 'pg_ts_config', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_ts_config
  UNION ALL SELECT 'pg_ts_config_map', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_ts_config_map
  UNION ALL SELECT 'pg_ts_dict', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_ts_dict
  UNION ALL SELECT 'pg_ts_parser', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_ts_parser
  UNION ALL SELECT 'pg_ts_template', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_ts_template
  UNION ALL SELECT 'pg_default_acl', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_default_acl
  UNION ALL SELECT 'pg_description', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_description
  UNION ALL SELECT 'pg_authid', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_authid
  UNION ALL SELECT 'pg_auth_members', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_auth_members
  UNION ALL SELECT 'pg_db_role_setting', count(*), sum(hashtext(xmin::text || ctid::text)::bigint) FILTER (WHERE age(xmin) <= (SELECT age FROM bound)) FROM pg_db_role_setting
  UNION ALL SELECT 'pg_database', count(*), sum(hashtext(concat_ws(' ', datdba, datacl))) FROM pg_database WHERE datname = current_database()
)
SELECT string_agg(concat_ws(' ', name, rows, newer), ', ' ORDER BY name) FROM catalogs
