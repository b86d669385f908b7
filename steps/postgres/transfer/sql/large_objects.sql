-- Every large object of the current database, by OID: owner, rights, comment, digest of its pages. $1: those of a list
-- of OIDs only; all if NULL. Reads only; superusers only.
SELECT m.oid, pg_get_userbyid(m.lomowner)::text, (m.lomacl IS NOT NULL),
       ARRAY(SELECT format('GRANT %s ON LARGE OBJECT %s TO %s%s', a.privilege_type, m.oid,
                           CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                           CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
             FROM aclexplode(m.lomacl) a ORDER BY (pg_get_userbyid(a.grantee) || a.privilege_type) COLLATE "C"),
       coalesce(obj_description(m.oid, 'pg_largeobject'), ''), coalesce(p.digest, '')
FROM pg_largeobject_metadata m
LEFT JOIN LATERAL (SELECT sha256(string_agg(int4send(pageno) || sha256(data), ''::bytea ORDER BY pageno)) AS digest
                   FROM pg_largeobject WHERE loid = m.oid) p ON true
WHERE $1::oid[] IS NULL OR m.oid = ANY ($1)
ORDER BY m.oid
