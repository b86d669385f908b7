-- Tables of a copy that still exist on the target: OID, whether each of their parts is done, whether one is, and the moment (of one part, if they differ,
-- which happens only where not all are done). Reads only.
SELECT p.relation, bool_and(p.done), bool_or(p.done), max(p.moment) FILTER (WHERE p.done)
FROM gitover.copy_part p JOIN pg_catalog.pg_class c ON c.oid = p.relation
GROUP BY p.relation
