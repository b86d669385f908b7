-- Whether the current database still takes part in an upgrade of Gitover's. Reads only.
SELECT EXISTS (SELECT FROM pg_publication WHERE pubname ~ '^gitover_')
    OR EXISTS (SELECT FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
               WHERE d.datname = current_database() AND s.subname ~ '^gitover_')
