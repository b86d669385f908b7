-- Whether the current database has a subscription. $1: its name. Reads only.
SELECT EXISTS (SELECT FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
               WHERE d.datname = current_database() AND s.subname = $1)
