-- A list of synchronous standbys that any client matches: a subscription counts as a standby, too.
-- Reads only.
SELECT 'synchronous_standby_names', current_setting('synchronous_standby_names'),
       'Name the standbys, by their application_name (cluster_name of the standby).'
WHERE current_setting('synchronous_standby_names') ~ '\*'
