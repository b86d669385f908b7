-- Objects of a database that use built-in functions, operators, types, collations and operator classes, or syntax, that the
-- target doesn't have, in all stored definitions: built-in objects have the same OIDs on every server. Members of an extension
-- come with the extension. Facts: gitover.target, gitover.missing_builtins. Reads only.
WITH missing AS (
  SELECT * FROM json_to_recordset(current_setting('gitover.missing_builtins')::json) AS m(kind text, key text, name text)
), users AS (
  SELECT oid, nspname FROM pg_namespace WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'gitover') AND nspname !~ '^pg_(toast|temp)'
), relations AS (
  SELECT c.oid, c.reltype, c.relkind, c.relpartbound, format('%I.%I', u.nspname, c.relname) AS name
  FROM pg_class c JOIN users u ON u.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e')
), types AS (
  SELECT y.*, format('%I.%I', u.nspname, y.typname) AS name
  FROM pg_type y JOIN users u ON u.oid = y.typnamespace
  WHERE y.typtype = 'd' AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_type'::regclass AND e.objid = y.oid AND e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e')
), routines AS (
  SELECT p.*, p.oid::regprocedure::text AS name FROM pg_proc p JOIN users u ON u.oid = p.pronamespace
  WHERE NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e')
), trees(object, tree) AS (
  SELECT format('default of column %s.%I', r.name, a.attname), d.adbin::text
  FROM pg_attrdef d JOIN relations r ON r.oid = d.adrelid JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
  UNION ALL SELECT format('constraint %I on %s', k.conname, coalesce(r.name, y.name)), k.conbin::text
  FROM pg_constraint k LEFT JOIN relations r ON r.oid = k.conrelid LEFT JOIN types y ON y.oid = k.contypid WHERE coalesce(r.oid, y.oid) IS NOT NULL
  UNION ALL SELECT 'default of domain ' || y.name, y.typdefaultbin::text FROM types y
  UNION ALL SELECT format('index %I on %s', x.relname, r.name), concat(i.indexprs::text, i.indpred::text)
  FROM pg_index i JOIN relations r ON r.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
  UNION ALL SELECT CASE r.relkind WHEN 'v' THEN 'view ' || r.name WHEN 'm' THEN 'materialized view ' || r.name ELSE format('rule %I on %s', w.rulename, r.name) END,
         concat(w.ev_qual::text, w.ev_action::text)
  FROM pg_rewrite w JOIN relations r ON r.oid = w.ev_class
  UNION ALL SELECT format('policy %I on %s', p.polname, r.name), concat(p.polqual::text, p.polwithcheck::text) FROM pg_policy p JOIN relations r ON r.oid = p.polrelid
  UNION ALL SELECT format('trigger %I on %s', t.tgname, r.name), t.tgqual::text FROM pg_trigger t JOIN relations r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
  UNION ALL SELECT 'partition key of ' || r.name, p.partexprs::text FROM pg_partitioned_table p JOIN relations r ON r.oid = p.partrelid
  UNION ALL SELECT format('statistics %I on %s', s.stxname, r.name), to_jsonb(s) ->> 'stxexprs' FROM pg_statistic_ext s JOIN relations r ON r.oid = s.stxrelid
  UNION ALL SELECT CASE p.prokind WHEN 'p' THEN 'procedure ' ELSE 'function ' END || p.name, concat(p.proargdefaults::text, to_jsonb(p) ->> 'prosqlbody') FROM routines p
), words AS (
  SELECT t.object, m[1] AS field, m[2] AS key
  FROM trees t, regexp_matches(t.tree, ':(funcid|aggfnoid|winfnoid|opno|consttype|resulttype|funcresulttype|collOid) (\d+)', 'g') AS m
  WHERE EXISTS (SELECT FROM missing)
), used(object, kind, key) AS (
  SELECT object, CASE field WHEN 'opno' THEN 'operator' WHEN 'collOid' THEN 'collation'
         WHEN 'consttype' THEN 'type' WHEN 'resulttype' THEN 'type' WHEN 'funcresulttype' THEN 'type' ELSE 'function' END, key FROM words
  UNION ALL SELECT format('column %s.%I', r.name, a.attname), 'type', coalesce(nullif(y.typelem, 0), y.oid)::text
  FROM pg_attribute a JOIN relations r ON r.oid = a.attrelid JOIN pg_type y ON y.oid = a.atttypid WHERE a.attnum > 0 AND NOT a.attisdropped
  UNION ALL SELECT format('column %s.%I', r.name, a.attname), 'collation', a.attcollation::text
  FROM pg_attribute a JOIN relations r ON r.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attcollation <> 0
  UNION ALL SELECT format('index %I on %s', x.relname, r.name), 'collation', c::text
  FROM pg_index i JOIN relations r ON r.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid, unnest(i.indcollation) AS c
  UNION ALL SELECT format('index %I on %s', x.relname, r.name), 'operator class', o.opcmethod || ' ' || o.opcname
  FROM pg_index i JOIN relations r ON r.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_opclass o ON o.oid = ANY (i.indclass)
  UNION ALL SELECT format('trigger %I on %s', t.tgname, r.name), 'function', t.tgfoid::text FROM pg_trigger t JOIN relations r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
  UNION ALL SELECT 'aggregate ' || p.name, 'function', f::oid::text
  FROM pg_aggregate g JOIN routines p ON p.oid = g.aggfnoid, unnest(ARRAY[g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggmtransfn, g.aggminvtransfn, g.aggmfinalfn]) AS f
  UNION ALL SELECT CASE p.prokind WHEN 'p' THEN 'procedure ' ELSE 'function ' END || p.name, 'type', y::text
  FROM routines p, unnest(p.proargtypes || p.prorettype) AS y
)
SELECT DISTINCT u.object, CASE m.kind WHEN 'operator class' THEN 'operator class ' WHEN 'function' THEN 'function ' WHEN 'type' THEN 'type ' WHEN 'collation' THEN 'collation ' ELSE 'operator ' END || m.name, ''
FROM used u JOIN missing m ON m.kind = u.kind AND m.key = u.key
UNION
SELECT t.object, s.what, ''
FROM trees t JOIN (VALUES
  ('\{JSONCONSTRUCTOREXPR', 16, 'an SQL/JSON constructor'), ('\{JSONISPREDICATE', 16, 'IS JSON'),
  ('\{JSONEXPR', 17, 'an SQL/JSON query function or JSON_TABLE'), ('\{MERGESUPPORTFUNC', 17, 'merge_action()'),
  ('\{RETURNINGEXPR', 18, 'OLD or NEW in RETURNING'), ('\{QUERY :commandType 5 ', 15, 'MERGE'),
  (':ignore_nulls [1-9]', 19, 'IGNORE NULLS'), ('\{ONCONFLICTEXPR :action 3 ', 19, 'ON CONFLICT DO SELECT'),
  (':groupDistinct true', 14, 'GROUP BY DISTINCT'), ('\{CTESEARCHCLAUSE', 14, 'SEARCH'), ('\{CTECYCLECLAUSE', 14, 'CYCLE')) AS s(pattern, since, what)
  ON s.since > current_setting('gitover.target')::int AND t.tree ~ s.pattern
ORDER BY 1, 2
