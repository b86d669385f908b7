-- Whether Gitover's own user may do its work. Reads only.
SELECT 'role ' || quote_ident(r.rolname), '', format('ALTER ROLE %I SUPERUSER;', r.rolname)
FROM pg_roles r WHERE r.rolname = current_user AND NOT r.rolsuper
