-- Memberships that versions before 16 can't express. Reads only.
SELECT format('role %I in %I', m.rolname, g.rolname), 'INHERIT ' || (to_jsonb(a) ->> 'inherit_option') || ', SET ' || (to_jsonb(a) ->> 'set_option'),
       format('GRANT %I TO %I WITH INHERIT %s, SET true;', g.rolname, m.rolname, m.rolinherit)
FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
WHERE ((to_jsonb(a) ->> 'inherit_option')::bool <> m.rolinherit OR NOT (to_jsonb(a) ->> 'set_option')::bool) AND m.rolname !~ '^(pg_|gitover_)'
