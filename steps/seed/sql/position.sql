-- The position up to which a run's seed has everything of blue. $1: the run. No row if there is none. Reads only.
SELECT position::text FROM gitover.seed WHERE run = $1
