-- Makes schema "public" as it is from 15 on: the database owner owns it, and no other role may
-- create in it. A second run changes nothing.
DO $$
DECLARE owner name := (SELECT r.rolname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE d.datname = current_database());
BEGIN
  IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public') THEN
    EXECUTE format('ALTER SCHEMA public OWNER TO %I', owner);
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
  END IF;
END $$
