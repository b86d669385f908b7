#!/bin/bash
# Starts PostgreSQL as the official image does: same environment variables, same
# init directory, same defaults. An existing data directory is left alone.
set -Eeuo pipefail

# secret VAR: takes $VAR, or the content of the file that $VAR_FILE names.
secret() {
	local var=$1 file="${1}_FILE"
	if [[ -n "${!var:-}" && -n "${!file:-}" ]]; then
		echo >&2 "error: both $var and $file are set"
		exit 1
	fi
	if [[ -n "${!file:-}" ]]; then export "$var"="$(<"${!file}")"; fi
	unset "$file"
}

# As root: hand the directories over and start again as postgres.
become_postgres() {
	mkdir -p "$PGDATA" /var/run/postgresql
	chmod 700 "$PGDATA" || true
	find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
	chown postgres:postgres /var/run/postgresql
	chmod 3777 /var/run/postgresql
	exec setpriv --reuid=postgres --regid=postgres --init-groups "$BASH_SOURCE" "$@"
}

check_environment() {
	if [[ -z "${POSTGRES_PASSWORD:-}" && "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]]; then
		cat >&2 <<-'MESSAGE'
			Error: Database is uninitialized and superuser password is not specified.
			       You must specify POSTGRES_PASSWORD to a non-empty value for the superuser.
		MESSAGE
		exit 1
	fi
}

create_cluster() {
	mkdir -p "$PGDATA"
	chmod 700 "$PGDATA" || true
	local waldir=()
	if [[ -n "${POSTGRES_INITDB_WALDIR:-}" ]]; then waldir=(--waldir "$POSTGRES_INITDB_WALDIR"); fi
	# The password goes through a file descriptor: process arguments are public.
	eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") "${waldir[@]}" '"${POSTGRES_INITDB_ARGS:-}"' "$@"'
	local method="${POSTGRES_HOST_AUTH_METHOD:-}"
	if [[ -z "$method" ]]; then method=$(postgres -C password_encryption "$@" 2>/dev/null || echo md5); fi
	printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

run_sql() { PGHOST= PGHOSTADDR= psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc --username "$POSTGRES_USER" "$@"; }

create_database() {
	if [[ -z "$(run_sql --dbname postgres -tA --set db="$POSTGRES_DB" <<<"SELECT 1 FROM pg_database WHERE datname = :'db';")" ]]; then
		run_sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
	fi
}

run_init_files() {
	local f
	for f in /docker-entrypoint-initdb.d/*; do
		case "$f" in
		*.sh) if [[ -x "$f" ]]; then echo "running $f"; "$f"; else echo "sourcing $f"; . "$f"; fi ;;
		*.sql) echo "running $f"; run_sql --dbname "$POSTGRES_DB" -f "$f" ;;
		*.sql.gz) echo "running $f"; gunzip -c "$f" | run_sql --dbname "$POSTGRES_DB" ;;
		*) echo "ignoring $f" ;;
		esac
	done
}

initialize() {
	check_environment
	create_cluster
	# Until everything is there the server listens on its socket only.
	PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -o "$(printf '%q ' "$@" -c listen_addresses= -p 5432)" -w start
	export PGPASSWORD="${POSTGRES_PASSWORD:-}"
	create_database
	run_init_files
	PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -m fast -w stop
	unset PGPASSWORD
	echo 'PostgreSQL init process complete; ready for start up.'
}

main() {
	if [[ "${1:0:1}" == - ]]; then set -- postgres "$@"; fi
	if [[ "$1" == postgres && "$(id -u)" == 0 ]]; then become_postgres "$@"; fi
	if [[ "$1" == postgres ]]; then
		secret POSTGRES_PASSWORD
		secret POSTGRES_USER
		secret POSTGRES_DB
		: "${POSTGRES_USER:=postgres}"
		: "${POSTGRES_DB:=$POSTGRES_USER}"
		export POSTGRES_USER POSTGRES_DB
		shopt -s nullglob
		if [[ ! -s "$PGDATA/PG_VERSION" ]]; then initialize "${@:2}"; else echo 'PostgreSQL Database directory appears to contain a database; Skipping initialization'; fi
	fi
	exec "$@"
}

main "$@"
