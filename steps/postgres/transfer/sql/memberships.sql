-- Who is a member of which role. Several grantors of one membership (16+) count as one. Options
-- that a version before 16 doesn't have get the values of its fixed behavior. Reads only.
SELECT g.rolname::text, m.rolname::text, bool_or(a.admin_option),
       bool_or(coalesce((to_jsonb(a) ->> 'inherit_option')::bool, m.rolinherit)),
       bool_or(coalesce((to_jsonb(a) ->> 'set_option')::bool, true)),
       bool_or(coalesce((to_jsonb(a) ->> 'inherit_option')::bool, m.rolinherit)) = m.rolinherit
         AND bool_or(coalesce((to_jsonb(a) ->> 'set_option')::bool, true))
FROM pg_auth_members a
JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
WHERE g.rolname !~ '^gitover_' AND m.rolname !~ '^(pg_|gitover_)'
GROUP BY g.rolname, m.rolname, m.rolinherit
ORDER BY 1, 2
