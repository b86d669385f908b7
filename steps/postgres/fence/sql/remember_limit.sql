-- $1 database, $2 its connection limit once it is open.
INSERT INTO gitover.connection_limits VALUES ($1, $2)
    ON CONFLICT (datname) DO UPDATE SET connlimit = excluded.connlimit
