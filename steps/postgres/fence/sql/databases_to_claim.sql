-- Databases of a server that may become green, all but templates and Gitover's own. $1 Gitover's database. Reads only.
SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate AND datname <> $1 ORDER BY 1
