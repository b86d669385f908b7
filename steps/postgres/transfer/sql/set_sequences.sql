-- Sets sequences exactly. $1 oids, $2 last values, $3 is_called, in step. A second run
-- changes nothing.
SELECT count(setval(s.id::regclass, s.value, s.called))
  FROM unnest($1::oid[], $2::bigint[], $3::boolean[]) AS s (id, value, called)
