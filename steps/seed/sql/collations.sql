-- What identifies the order of ICU's collations, all that there are. Run by psql in any database. Reads only.
SELECT coalesce(md5(string_agg(collname || ' ' || coalesce(pg_collation_actual_version(oid), ''), ',' ORDER BY collname COLLATE "C")), 'none')
  FROM pg_collation WHERE collprovider = 'i'
