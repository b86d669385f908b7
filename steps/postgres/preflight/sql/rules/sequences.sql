-- Sequences. Reads only.
SELECT count(*) || ' sequences', '', '' FROM pg_sequence HAVING count(*) > 0
