-- Columns of tables ($1) that a statement may set, with the checks that speak of them; keys are those of the primary key,
-- and of partitions. Reads only.
SELECT a.attrelid, a.attname::text, a.atttypid, a.atttypmod, a.attnotnull, a.atthasdef OR a.attidentity <> '', a.attidentity = 'a',
       coalesce(pg_get_expr(d.adbin, d.adrelid) ~ 'nextval', a.attidentity <> ''),
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey)),
       EXISTS (SELECT FROM pg_partitioned_table p WHERE p.partrelid = a.attrelid AND a.attnum = ANY (p.partattrs)),
       ARRAY(SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c WHERE c.conrelid = a.attrelid AND c.contype = 'c' AND a.attnum = ANY (c.conkey))
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attrelid, a.attnum
