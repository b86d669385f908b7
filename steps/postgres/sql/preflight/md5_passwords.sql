-- Passwords stored as MD5. Reads only.
SELECT 'role ' || quote_ident(rolname), '', format('set a new password for %I while password_encryption is scram-sha-256', rolname)
FROM pg_authid WHERE rolpassword LIKE 'md5%' AND rolcanlogin
