-- Indexes: name, definition, whether pg_dump makes it after the data; kind, scope and texts of its expressions (see
-- judge.go), in the order in which the definition has them. An index that is invalid isn't dumped. Not
-- pg_get_indexdef, which looks for each column's default operator class, a tenth of a millisecond each, unless an index has
-- several expressions, which pg_get_expr doesn't tell apart.
-- $1: Gitover's own schema. Reads only.
WITH indexes AS MATERIALIZED (
  SELECT i.*, CASE WHEN i.indexprs IS NOT NULL THEN cardinality(array_positions(i.indkey::int2[], 0::int2)) END AS expressions,
         i.indisunique AND (SELECT indnullsnotdistinct FROM pg_index p WHERE p.indexrelid = i.indexrelid) AS nulls, -- from 15 on
         format('%I.%I', n.nspname, c.relname) AS name, format('%I.%I', n.nspname, t.relname) AS tablename, m.amname, c.reloptions, pg_get_expr(i.indpred, i.indrelid) AS predicate,
         concat_ws(', ', CASE WHEN NOT i.indisvalid THEN 'not valid' END,
           'partition of ' || (SELECT h.inhparent::regclass::text FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)) AS state
  FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
  CROSS JOIN (VALUES (false)) AS before_15(indnullsnotdistinct)
  WHERE t.relkind IN ('r', 'p', 'f', 'm') AND (i.indisvalid OR c.relkind = 'I')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1) AND n.nspname !~ '^pg_(toast|temp)'
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = t.oid AND e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e')
), parts AS MATERIALIZED ( -- an operator class is left out if it is its own type's default. GiST's for inet and cidr is btree_gist's
  -- up to 18 and GiST's own from 19 on, and a dump doesn't say which is meant
  SELECT i.indexrelid, x.attnum AS number, x.attnum <= i.indnkeyatts AS key,
         CASE WHEN i.indkey[x.attnum - 1] = 0 THEN CASE WHEN i.expressions = 1 THEN pg_get_expr(i.indexprs, i.indrelid) ELSE pg_get_indexdef(i.indexrelid, x.attnum, false) END END AS expression, a.attname,
         concat_ws(' ', CASE WHEN i.indcollation[x.attnum - 1] NOT IN (0, 'pg_catalog."default"'::regcollation) THEN 'collate ' || i.indcollation[x.attnum - 1]::regcollation::text END,
           CASE WHEN o.opcdefault AND o.opcintype = x.atttypid OR i.amname = 'gist' AND o.opcname IN ('inet_ops', 'gist_inet_ops', 'gist_cidr_ops') THEN NULL WHEN o.opcnamespace = 'pg_catalog'::regnamespace THEN quote_ident(o.opcname)
                ELSE o.opcnamespace::regnamespace::text || '.' || quote_ident(o.opcname) END,
           x.attoptions::text, CASE WHEN i.indoption[x.attnum - 1] & 1 <> 0 THEN 'desc' END, CASE WHEN i.indoption[x.attnum - 1] & 2 <> 0 THEN 'nulls first' END) AS how
  FROM indexes i JOIN pg_attribute x ON x.attrelid = i.indexrelid
  LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[x.attnum - 1]
  LEFT JOIN pg_opclass o ON o.oid = i.indclass[x.attnum - 1]
), columns AS (
  SELECT indexrelid, array_agg(expression ORDER BY number) FILTER (WHERE expression IS NOT NULL) AS expressions,
         string_agg(concat_ws(' ', coalesce(expression, quote_ident(attname)), nullif(how, '')), ', ' ORDER BY number) FILTER (WHERE key) AS keys,
         string_agg(quote_ident(attname), ', ' ORDER BY number) FILTER (WHERE NOT key) AS included
  FROM parts GROUP BY indexrelid
)
SELECT 'index ' || i.name,
       concat_ws(', ', CASE WHEN i.indisunique THEN 'unique' END, i.amname || ' (' || c.keys || ')', 'include (' || c.included || ')', CASE WHEN i.nulls THEN 'nulls not distinct' END,
         'with ' || (SELECT string_agg(o, ' ' ORDER BY o) FROM unnest(i.reloptions) o), 'where ' || i.predicate, nullif(i.state, '')),
       true, CASE WHEN i.predicate IS NOT NULL OR c.expressions IS NOT NULL THEN 'expression' END, ARRAY['FROM ONLY ' || i.tablename],
       array_remove(c.expressions || i.predicate, NULL)
FROM indexes i JOIN columns c USING (indexrelid)
