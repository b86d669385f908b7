-- Remembers the identity that a table was given; what it had before is kept from the first time.
-- $1: OID, $2: prefix of the upgrade's names, $3: given, $4: former.
INSERT INTO gitover.replica_identities AS g (relid, upgrade, given, former) VALUES ($1, $2, $3, $4)
    ON CONFLICT (relid) DO UPDATE SET given = excluded.given, upgrade = excluded.upgrade
