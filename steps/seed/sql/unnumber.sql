-- Removes, from one database of a copy of blue, the numbers that late minor releases keep among a column's options: pg_upgrade to a
-- release that doesn't know them would stop at them. A release that does know them refuses stored rows of other numbers (22P07,
-- using outdated tuple descriptor), so they stay where green knows them. Run by psql. A second run finds nothing.
UPDATE pg_attribute
   SET attoptions = (SELECT nullif(array_agg(o), '{}') FROM unnest(attoptions) AS o WHERE o NOT LIKE 'pg_attver=%')
 WHERE EXISTS (SELECT FROM unnest(attoptions) AS o WHERE o LIKE 'pg_attver=%');
