-- Indexes whose order may be another one since the C library or ICU is another version, in one database of a server that doesn't
-- serve: rebuilds them, then records the new versions. Indexes count by their columns' collations, and by those that
-- expressions and predicates are evaluated with (:inputcollid). Run by psql; changed: the providers, such as "c" or "ci". A table that
-- is partitioned by ranges in such an order can't be rebuilt: the script ends there. A second run rebuilds again.
CREATE TEMP TABLE reordered AS
SELECT c.oid FROM pg_collation c, pg_database d
 WHERE d.datname = current_database()
   AND CASE WHEN c.oid <> 100 THEN strpos(:'changed', c.collprovider::text) > 0 AND coalesce(c.collcollate, '') !~ '^(C|POSIX)([.]|$)'
            ELSE strpos(:'changed', coalesce(to_jsonb(d) ->> 'datlocprovider', 'c')) > 0
                 AND (coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') <> 'c' OR d.datcollate !~ '^(C|POSIX)([.]|$)' OR d.datctype !~ '^(C|POSIX)([.]|$)') END;
DO $$
DECLARE
    found text;
BEGIN
    SELECT string_agg(p.partrelid::regclass::text, ', ') INTO found FROM pg_partitioned_table p
     WHERE p.partstrat = 'r' AND EXISTS (SELECT FROM unnest(p.partcollation::oid[]) AS u (o) JOIN reordered r ON r.oid = u.o);
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'partitioned by text whose order is another one in the new image: %', found;
    END IF;
END $$;
SELECT format('REINDEX INDEX %s', i.indexrelid::regclass)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE c.relkind = 'i' AND c.relpersistence <> 't'
   AND (EXISTS (SELECT FROM unnest(i.indcollation::oid[]) AS u (o) JOIN reordered r ON r.oid = u.o)
        OR EXISTS (SELECT FROM regexp_matches(coalesce(i.indexprs::text, '') || coalesce(i.indpred::text, ''), ':inputcollid ([0-9]+)', 'g') m
                     JOIN reordered r ON r.oid = m[1]::oid))
 ORDER BY c.relpages DESC
\gexec
SELECT format('ALTER COLLATION %s REFRESH VERSION', c.oid::regcollation)
  FROM pg_collation c WHERE c.collversion IS DISTINCT FROM pg_collation_actual_version(c.oid) AND c.collversion IS NOT NULL
\gexec
SELECT format('ALTER DATABASE %I REFRESH COLLATION VERSION', datname)
  FROM pg_database d WHERE datname = current_database() AND to_jsonb(d) ? 'datcollversion'
\gexec
