# Second half of a physical seed, in green's image: makes green's data directory of blue's recovered copy by
# pg_upgrade --link and puts it into place by a rename, its last effect. backup.sh is the first half.
set -eu
umask 077
export LC_ALL=C

say() { printf 'gitover-seed: %s\n' "$*"; }
fail() { printf 'gitover-seed: failed: %s\n' "$*" >&2; exit 1; }
# What doesn't work the next time either.
refuse() { printf 'gitover-seed: not possible: %s\n' "$*" >&2; exit 3; }

work=$GITOVER_WORK blue=$GITOVER_TOOLS/blue
if [ -e "$PGDATA/PG_VERSION" ]; then
  [ "$(cat "$work/run" 2>/dev/null || true)" = "$GITOVER_RUN" ] || fail "the volume already holds a database in $PGDATA"
  say "phase Done"; exit 0
fi
old=$work/old new=$work/new
rm -rf "$new" "$blue/bin"
mkdir -p "$blue/bin"
sockets=$(mktemp -d)
control() { sed -n "s/^$1: *//p" "$work/control"; }

# Blue's programs run with blue's libraries: by blue's own loader where it can be told the program's name, otherwise by this
# image's loader and C library, which is newer then. PostgreSQL finds its files from the place of the program.
bindir=$(cat "$blue/bindir")
loader=$blue/lib/$(cat "$blue/loader")
root=$blue/root$bindir
if "$loader" --help 2>/dev/null | grep -q -e --argv0; then
  mkdir -p "$blue/real"
  for program in postgres pg_ctl pg_controldata pg_resetwal; do
    [ -e "$blue/real/$program" ] || mv "$root/$program" "$blue/real/$program"
    printf '#!/bin/sh\nexec "%s" --argv0 "$0" --library-path "%s" "%s" "$@"\n' "$loader" "$blue/lib" "$blue/real/$program" >"$root/$program"
    chmod 755 "$root/$program"
  done
  oldbin=$root
else
  mkdir -p "$blue/own"
  for file in "$blue/lib"/*; do
    case ${file##*/} in
      ld-*|ld.so*|libc.so*|libc-*|libm.so*|libm-*|libdl[.-]*|libpthread[.-]*|librt[.-]*|libresolv[.-]*|libnss_*|libutil[.-]*|libcrypt.so.1x) ;;
      *) cp -L "$file" "$blue/own/" ;;
    esac
  done
  for program in postgres pg_ctl pg_controldata pg_resetwal; do
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' "$blue/own" "$root/$program" >"$blue/bin/$program"
    chmod 755 "$blue/bin/$program"
  done
  oldbin=$blue/bin
fi
"$oldbin/postgres" -V >/dev/null || refuse "blue's programs don't run in this image"

say "phase Initialize"
user=$(cat "$work/install_user") encoding=$(cat "$work/encoding") collate=$(cat "$work/collate") ctype=$(cat "$work/ctype")
segment=$(($(control 'Bytes per WAL segment') / 1048576))
# As the entrypoint of official images does it, with what pg_upgrade compares last, so that it counts.
eval 'initdb -D "$new" --no-instructions --no-sync --auth-local=trust --auth-host=scram-sha-256 '"${POSTGRES_INITDB_ARGS:-}"' \
  --username="$user" --encoding="$encoding" --locale="$ctype" --lc-collate="$collate" --lc-ctype="$ctype" --wal-segsize="$segment"' \
  >"$work/initdb.log" 2>&1 || { tail -n 20 "$work/initdb.log" >&2; refuse "initdb with the locale and encoding of blue"; }
checksums() { pg_controldata -D "$1" | sed -n 's/^Data page checksum version: *//p'; }
case $(control 'Data page checksum version')$(checksums "$new") in
  01) pg_checksums --disable -D "$new" >/dev/null ;;
  10) pg_checksums --enable -D "$new" >/dev/null ;;
esac
mv "$new/pg_hba.conf" "$work/pg_hba.conf"
mv "$new/postgresql.conf" "$work/postgresql.conf"
echo 'local all all trust' >"$new/pg_hba.conf"
cat >"$new/postgresql.conf" <<CONF
jit = off
dynamic_shared_memory_type = mmap
shared_buffers = 128MB
max_connections = 100
max_locks_per_transaction = $(control 'max_locks_per_xact setting')
max_logical_replication_workers = 0
CONF

# psql on the copy of blue, or on green, whichever runs. Not exported: pg_upgrade has settings of its own.
sql() {
  PGHOST="$sockets" PGPORT=5432 PGUSER="$user" PGAPPNAME=gitover PGSSLMODE=disable \
    PGOPTIONS='-c session_replication_role=replica -c statement_timeout=0 -c lock_timeout=0 -c default_transaction_read_only=off -c maintenance_work_mem=256MB -c client_min_messages=error' \
    psql -XqAt -v ON_ERROR_STOP=1 "$@"
}
# The same in every database; where it fails, $name is that one's, and an x.
everywhere() {
  for oid in $(sql -d template1 -c "SELECT oid FROM pg_database WHERE datallowconn AND datname <> 'template0'"); do
    name=$(sql -d template1 -c "SELECT datname FROM pg_database WHERE oid = $oid"; echo x)
    PGDATABASE=${name%?x} sql "$@" || return 1
  done
}

# Numbers of columns, which not all releases know: see unnumber.sql.
numbered="SELECT count(*) FROM pg_attribute WHERE attoptions::text LIKE '%pg_attver=%'"
numbers() { printf '%s\n' "$numbered" | "$1" --single -D "$2" template1 2>/dev/null | sed -n 's/.*count = "\([0-9]*\)".*/\1/p' | head -n 1; }
if [ "$(numbers postgres "$new")" = 0 ] && [ "$(numbers "$oldbin/postgres" "$old")" != 0 ]; then
  printf '%s' "$GITOVER_UNNUMBER_SQL" >"$work/unnumber.sql"
  "$oldbin/pg_ctl" -D "$old" -s -w -t 600 -l "$work/unnumber.log" -o "-c unix_socket_directories='$sockets' -c port=5432" start ||
    { tail -n 20 "$work/unnumber.log" >&2; fail "the copy of blue doesn't start"; }
  everywhere -f "$work/unnumber.sql" || fail "columns in database ${name%?x}"
  "$oldbin/pg_ctl" -D "$old" -s -m fast -w -t 600 stop || fail "the copy of blue doesn't stop"
fi

say "phase Upgrade"
cd "$work"
nosync=
if pg_upgrade --help | grep -q -e --no-sync; then nosync=--no-sync; fi
pg_upgrade $nosync -b "$oldbin" -d "$old" -D "$new" -U "$user" --link -j "${GITOVER_JOBS:-2}" -s "$sockets" >"$work/pg_upgrade.log" 2>&1 || {
  # Its own words, then the lists of what it refuses, and the last lines of what failed.
  sed -n '/fatal\|[Ff]ailure\|could not/,$p' "$work/pg_upgrade.log" | head -n 30 >&2
  find "$new/pg_upgrade_output.d" -name '*.txt' -exec head -n 20 {} + >&2 2>/dev/null || true
  grep -rhE '(error|ERROR|FATAL|PANIC):' "$new/pg_upgrade_output.d" --include='*.log' 2>/dev/null | tail -n 5 >&2 || true
  refuse "pg_upgrade"
}

say "phase Collations"
pg_ctl -D "$new" -s -w -t 600 -l "$work/new.log" -o "-c listen_addresses='' -c unix_socket_directories='$sockets' -c port=5432 -c autovacuum=off -c fsync=off" start ||
  { tail -n 20 "$work/new.log" >&2; fail "green doesn't start"; }
trap 'pg_ctl -D "$new" -s -m fast -w -t 600 stop >/dev/null 2>&1 || true' EXIT
changed=
if [ "$(getconf GNU_LIBC_VERSION)" != "$(cat "$work/libc")" ]; then changed=c; fi
printf '%s' "$GITOVER_COLLATIONS_SQL" >"$work/collations.sql"
sql -d template1 -f "$work/collations.sql" >"$work/new_icu"
cmp -s "$work/icu" "$work/new_icu" || changed=${changed}i
if [ -n "$changed" ]; then
  printf '%s' "$GITOVER_REORDER_SQL" >"$work/reorder.sql"
  everywhere -v changed="$changed" -f "$work/reorder.sql" || refuse "indexes in database ${name%?x}"
fi
pg_ctl -D "$new" -s -m fast -w -t 600 stop || fail "green doesn't stop"
trap - EXIT

say "phase Finish"
mv "$work/postgresql.conf" "$new/postgresql.conf"
mv "$work/pg_hba.conf" "$new/pg_hba.conf"
method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
printf '\nhost all all all %s\n' "$method" >>"$new/pg_hba.conf"
rm -rf "$new/pg_upgrade_output.d"
for file in "$work"/*; do
  case $file in "$new") ;; *) rm -rf "$file" ;; esac
done
printf '%s\n' "$GITOVER_RUN" >"$work/run"
flush() { sync -f "$work" 2>/dev/null || sync; }
flush
if [ -d "$PGDATA" ]; then rmdir "$PGDATA"; fi
mv "$new" "$PGDATA"
flush
say "phase Done"
