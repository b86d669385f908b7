-- Subscriptions of the current database that aren't Gitover's and are enabled, or were disabled by a switch, as their
-- comment says. $1: what such a comment begins with. The connection string may hold a password. What a version
-- doesn't have is absent from the row's JSON. Reads only.
SELECT s.subname::text, s.oid, s.subenabled, coalesce(s.subslotname::text, ''), s.subpublications::text[], pg_get_userbyid(s.subowner)::text,
       coalesce(s.subconninfo, ''), s.subsynccommit, coalesce(obj_description(s.oid, 'pg_subscription'), ''),
       coalesce((o->>'subbinary')::bool, false),
       CASE WHEN o->>'substream' IN ('true', 't') THEN 'on' WHEN o->>'substream' = 'p' THEN 'parallel' ELSE 'off' END,
       coalesce((o->>'subdisableonerr')::bool, false), coalesce((o->>'subpasswordrequired')::bool, true),
       coalesce((o->>'subrunasowner')::bool, true), coalesce(o->>'suborigin', 'any'), coalesce((o->>'subfailover')::bool, false)
FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid, to_jsonb(s) AS o
WHERE d.datname = current_database() AND NOT starts_with(s.subname::text, 'gitover_')
  AND (s.subenabled OR starts_with(obj_description(s.oid, 'pg_subscription'), $1))
ORDER BY s.subname
