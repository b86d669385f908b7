-- A switch that leads to this server: $1 its id. left is true once a later switch led away.
SELECT e.state, e.position::text,
       EXISTS (SELECT FROM gitover.switches s WHERE s.opened_at > e.opened_at AND s.state = 'commit')
  FROM gitover.entrances e WHERE e.id = $1
