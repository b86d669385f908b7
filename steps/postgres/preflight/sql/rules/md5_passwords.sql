-- Passwords stored as MD5. Facts: gitover.target. Reads only.
SELECT 'role ' || quote_ident(rolname),
       CASE WHEN current_setting('gitover.target')::int < 19 THEN '' ELSE '; each login with one gets a warning (md5_password_warnings)' END,
       format('set a new password for %I while password_encryption is scram-sha-256', rolname)
FROM pg_authid WHERE rolpassword LIKE 'md5%' AND rolcanlogin
