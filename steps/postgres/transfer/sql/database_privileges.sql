-- Rights on a database, the defaults spelled out. $1: its name. '' is PUBLIC. Reads only.
SELECT coalesce(r.rolname::text, ''), x.privilege_type, bool_or(x.is_grantable)
FROM pg_database d
CROSS JOIN aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) x
LEFT JOIN pg_roles r ON r.oid = x.grantee
WHERE d.datname = $1 AND (x.grantee = 0 OR r.rolname !~ '^gitover_')
GROUP BY 1, 2 ORDER BY 1, 2
