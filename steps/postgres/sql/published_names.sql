-- Tables of a publication, quoted, sorted. $1: the publication, $2: Gitover's own schema, left out.
-- Of a partitioned table its partitions are published (publish_via_partition_root is off). Reads only.
SELECT format('%I.%I', t.schemaname, t.tablename) FROM pg_publication_tables t
WHERE t.pubname = $1 AND t.schemaname <> $2
ORDER BY 1
