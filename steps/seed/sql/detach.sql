-- Takes out of one database of a copy of blue what green may not have: transactions that were prepared at its position
-- arrive with their COMMIT PREPARED; subscriptions would follow others' publishers, publications and slots belong to blue. Run by
-- psql. A second run finds nothing.
SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts WHERE database = current_database()
\gexec
SELECT format('ALTER SUBSCRIPTION %I DISABLE', subname), format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', subname), format('DROP SUBSCRIPTION %I', subname)
  FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()
\gexec
SELECT format('DROP PUBLICATION %I', pubname) FROM pg_publication
\gexec
