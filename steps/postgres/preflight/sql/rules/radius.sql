-- Lines of pg_hba.conf that ask for RADIUS. Reads only.
SELECT 'line ' || line_number || ' of pg_hba.conf', concat_ws(' ', 'users', array_to_string(user_name, ', ')), ''
FROM pg_hba_file_rules WHERE auth_method = 'radius'
