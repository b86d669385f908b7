-- Every type that a value may have: its kind, what it is made of, and what its checks say. No parameters. Reads only.
SELECT t.oid, t.typname::text, t.typtype::text, CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END, t.typbasetype, t.typtypmod,
       coalesce(r.rngsubtype, 0),
       ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder),
       ARRAY(SELECT atttypid FROM pg_attribute WHERE attrelid = t.typrelid AND t.typtype = 'c' AND attnum > 0 AND NOT attisdropped ORDER BY attnum),
       ARRAY(SELECT atttypmod FROM pg_attribute WHERE attrelid = t.typrelid AND t.typtype = 'c' AND attnum > 0 AND NOT attisdropped ORDER BY attnum),
       ARRAY(SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contypid = t.oid)
FROM pg_type t LEFT JOIN pg_range r ON r.rngtypid = t.oid
