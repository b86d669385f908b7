-- Memberships in predefined roles that the target doesn't have. Facts: gitover.target. Reads only.
SELECT 'role ' || quote_ident(m.rolname), quote_ident(g.rolname), format('REVOKE %I FROM %I;', g.rolname, m.rolname)
FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
JOIN (VALUES ('pg_database_owner', 14), ('pg_read_all_data', 14), ('pg_write_all_data', 14), ('pg_checkpoint', 15), ('pg_create_subscription', 16),
             ('pg_use_reserved_connections', 16), ('pg_maintain', 17), ('pg_signal_autovacuum_worker', 18)) AS k(role, since) ON k.role = g.rolname
WHERE k.since > current_setting('gitover.target')::int AND m.rolname !~ '^pg_'
