// Package indexes knows what makes a database's indexes and foreign keys on another server, from the catalog of the first: statements of which
// those that take long can run side by side, each on a session of its own.
//
// An index of a table comes first; then the constraint that it enforces, its place as replica identity, what is stored about it; then, once
// all tables have theirs, the indexes of partitioned tables, which take in those of the partitions; foreign keys last. What pg_dump's
// post-data section has beside them (triggers, rules, policies, comments, extended statistics, indexes of materialized views) isn't made here.
//
// Authority: it reads, and returns statements. Who runs them looks at Existing first: a second run makes what is missing.
package indexes
