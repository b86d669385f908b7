-- Generated columns. Reads only.
SELECT count(*) || ' generated columns', '', ''
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attgenerated <> '' AND c.relkind IN ('r', 'p') HAVING count(*) > 0
