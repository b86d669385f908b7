-- A switch that leads to this server: $1 its id. The last column is true once a later
-- switch leads away, or is about to. Rows of earlier versions of Gitover have no turn.
SELECT e.state, e.position::text,
       EXISTS (SELECT FROM gitover.switches s WHERE coalesce(s.turn > e.turn, s.opened_at > e.opened_at) AND s.state <> 'abort')
  FROM gitover.incoming_switches e WHERE e.id = $1
