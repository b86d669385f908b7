-- Whether a table, Gitover's own included, of a subscription of the current database doesn't follow yet.
-- $1: its name. Reads only.
SELECT EXISTS (SELECT FROM pg_subscription_rel r
               JOIN pg_subscription s ON s.oid = r.srsubid JOIN pg_database d ON d.oid = s.subdbid
               WHERE d.datname = current_database() AND s.subname = $1 AND r.srsubstate <> 'r')
