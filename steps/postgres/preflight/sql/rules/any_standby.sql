-- A list of synchronous standbys that takes anybody takes a subscription for one, too. Reads only.
SELECT 'synchronous_standby_names', current_setting('synchronous_standby_names'),
       'Name the standbys, by their application_name (cluster_name of the standby).'
WHERE current_setting('synchronous_standby_names') ~ '\*'
