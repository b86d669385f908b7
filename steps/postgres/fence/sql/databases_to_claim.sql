-- Databases of a server that may become green, all but templates, Gitover's own and those that the upgrade leaves out. $1 Gitover's
-- database, $2 the names of those left out. Reads only.
SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate AND datname <> $1 AND datname <> ALL ($2::text[]) ORDER BY 1
