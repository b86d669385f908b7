-- Every large object of the current database: the number of its pages, whether it has a comment, and whether
-- anything of it was written by transaction $1 or a later one. A page that was cut off is missing. One scan of
-- pg_largeobject, without its data. Reads only; superusers only.
SELECT m.oid, coalesce(p.pages, 0), d.objoid IS NOT NULL,
       age(m.xmin) <= age($1::text::xid) OR coalesce(p.since OR age(d.xmin) <= age($1::text::xid), p.since, age(d.xmin) <= age($1::text::xid), false)
FROM pg_largeobject_metadata m
LEFT JOIN (SELECT loid, count(*) AS pages, bool_or(age(xmin) <= age($1::text::xid)) AS since FROM pg_largeobject GROUP BY loid) p ON p.loid = m.oid
LEFT JOIN pg_description d ON d.classoid = 'pg_largeobject'::regclass AND d.objoid = m.oid AND d.objsubid = 0
