# First half of a physical seed, in blue's image: copies blue's data directory, recovers the copy to a consistent position,
# takes out of it what green may not have, and lays blue's programs beside it. upgrade.sh is the second half. A run begins
# from nothing unless an earlier one of the same GITOVER_RUN has finished: the rename at the end of upgrade.sh is the only
# effect that counts. BLUE_PG… say how to reach blue; nothing secret is an argument.
set -eu
umask 077
export LC_ALL=C

say() { printf 'gitover-seed: %s\n' "$*"; }
fail() { printf 'gitover-seed: failed: %s\n' "$*" >&2; exit 1; }

work=$GITOVER_WORK tools=$GITOVER_TOOLS
if [ -e "$PGDATA/PG_VERSION" ]; then
  [ "$(cat "$work/run" 2>/dev/null || true)" = "$GITOVER_RUN" ] || fail "the volume already holds a database in $PGDATA"
  say "phase Done"; exit 0
fi
[ -z "$(ls -A "$PGDATA" 2>/dev/null || true)" ] || fail "the volume already holds something in $PGDATA"
rm -rf "$work" "$tools/blue"
mkdir -p "$work"
old=$work/old
sockets=$(mktemp -d)

case ${BLUE_PGSSLMODE:-prefer} in verify-*) ;; *) [ -z "${BLUE_PGPASSWORD:-}" ] || export PGREQUIREAUTH=scram-sha-256 ;; esac
if [ -n "${BLUE_CA:-}" ]; then printf '%s\n' "$BLUE_CA" >"$sockets/blue.crt"; export PGSSLROOTCERT="$sockets/blue.crt"; fi

# What the file system has, in KiB: available, or as a whole. It may have less than its claim says.
available() { df -Pk "$work" | sed -n '2s/.* \([0-9][0-9]*\)  *[0-9]*%.*/\1/p'; }
whole() { df -Pk "$work" | sed -n '2s/^.* \([0-9][0-9]*\)  *[0-9][0-9]*  *[0-9][0-9]*  *[0-9]*%.*/\1/p'; }
noroom() {
  left=$(available)
  rm -rf "$work"
  printf 'gitover-seed: not possible: the volume has %s MiB free%s, and the data of blue is %s MiB, beside its WAL: enlarge it\n' "$((left / 1024))" "$1" "$((needed / 1024))" >&2
  exit 3
}
needed=$((${GITOVER_NEEDED:-0} / 1024)) reserve=$(($(whole) / 50))
[ "$(available)" -gt "$((needed + reserve))" ] || noroom ''

say "phase Backup"
PGHOST=$BLUE_PGHOST PGPORT=$BLUE_PGPORT PGUSER=$BLUE_PGUSER PGPASSWORD=${BLUE_PGPASSWORD-} PGSSLMODE=${BLUE_PGSSLMODE:-prefer} \
  PGAPPNAME=$GITOVER_APPLICATION PGCONNECT_TIMEOUT=15 \
  pg_basebackup -D "$old" -X stream -c fast --no-manifest --no-sync --no-password &
backup=$!
# It ends before it fills the volume.
(while kill -0 "$backup" && sleep 1; do
  if [ "$(available)" -le "$reserve" ]; then : >"$work/noroom" && kill -9 "$backup"; fi
done) >/dev/null 2>&1 </dev/null &
watcher=$!
wait "$backup" && copied=yes || copied=no
kill "$watcher" 2>/dev/null || true
[ ! -e "$work/noroom" ] || noroom ' left'
[ "$copied" = yes ] || fail "pg_basebackup of $BLUE_PGHOST"
unset BLUE_PGPASSWORD PGREQUIREAUTH

# The copy is never reached from outside, loads nothing, archives nothing, and consumes no slot of blue's own subscriptions. Nothing
# is forced to disk before upgrade.sh does it at the end, for all: what is interrupted begins from nothing.
control() { sed -n "s/^$1: *//p" "$work/control"; }
pg_controldata -D "$old" >"$work/control"
rm -f "$old/postgresql.auto.conf" "$old/standby.signal" "$old/postmaster.opts"
: >"$old/pg_ident.conf"
: >"$old/recovery.signal"
echo 'local all all trust' >"$old/pg_hba.conf"
cat >"$old/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$sockets'
port = 5432
hot_standby = off
fsync = off
full_page_writes = off
archive_mode = off
ssl = off
jit = off
shared_preload_libraries = ''
session_preload_libraries = ''
local_preload_libraries = ''
synchronous_standby_names = ''
max_logical_replication_workers = 0
autovacuum = off
event_source = 'gitover'
log_statement = none
logging_collector = off
log_destination = stderr
dynamic_shared_memory_type = mmap
shared_buffers = 128MB
restore_command = 'false'
recovery_target = 'immediate'
recovery_target_action = promote
recovery_target_timeline = 'current'
wal_level = '$(control 'wal_level setting')'
max_connections = $(control 'max_connections setting')
max_worker_processes = $(control 'max_worker_processes setting')
max_wal_senders = $(control 'max_wal_senders setting')
max_prepared_transactions = $(control 'max_prepared_xacts setting')
max_locks_per_transaction = $(control 'max_locks_per_xact setting')
CONF

say "phase Recovery"
broken() { tail -n 20 "$work/old.log" >&2; fail "the copy of blue doesn't recover"; }
pg_ctl -D "$old" -l "$work/old.log" -s -w -t 86400 start || broken
stop() { pg_ctl -D "$old" -s -m fast -w -t 600 stop; }
trap 'stop >/dev/null 2>&1 || true' EXIT
# pg_ctl returns once recovery has begun; sessions are let in when it is over.
until pg_isready -q -h "$sockets" -p 5432 -d template1 -U "$BLUE_PGUSER"; do
  pg_ctl -D "$old" -s status >/dev/null || broken
  sleep 0.1
done
# The position that recovery reached, whatever its target was: the second column of the newest timeline's last line.
history=$(ls "$old"/pg_wal/*.history | sort | tail -n 1)
position=$(grep -v '^[[:space:]]*$' "$history" | tail -n 1 | cut -f 2)
case $position in *[0-9A-F]/*[0-9A-F]) ;; *) fail "no position in $history" ;; esac

say "phase Detach"
export PGHOST="$sockets" PGPORT=5432 PGUSER="$BLUE_PGUSER" PGAPPNAME=gitover PGSSLMODE=disable
export PGOPTIONS='-c session_replication_role=replica -c statement_timeout=0 -c lock_timeout=0 -c default_transaction_read_only=off -c synchronous_commit=off -c client_min_messages=error'
sql() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }
printf '%s' "$GITOVER_DETACH_SQL" >"$work/detach.sql"
printf '%s' "$GITOVER_WHOLE_SQL" >"$work/whole.sql"
printf '%s' "$GITOVER_MARK_SQL" >"$work/mark.sql"
sql -d template1 -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots" >/dev/null
# Names may hold anything but a null byte, which nothing in sh can: by number.
for oid in $(sql -d template1 -c "SELECT oid FROM pg_database WHERE datallowconn AND datname <> 'template0'"); do
  name=$(sql -d template1 -c "SELECT datname FROM pg_database WHERE oid = $oid"; echo x)
  PGDATABASE=${name%?x} sql -f "$work/detach.sql" >/dev/null
done
sql -d template1 -v keep="$GITOVER_KEEP" -v maintenance="$GITOVER_MAINTENANCE" -f "$work/whole.sql" >/dev/null
sql -d gitover -v run="$GITOVER_RUN" -v position="$position" -f "$work/mark.sql" >/dev/null
# What initdb has to be told, for new versions that don't take it over from the old server.
sql -d template1 -c "SELECT rolname FROM pg_authid WHERE oid = 10" >"$work/install_user"
sql -d template1 -c "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'template0'" >"$work/encoding"
sql -d template1 -c "SELECT datcollate FROM pg_database WHERE datname = 'template0'" >"$work/collate"
sql -d template1 -c "SELECT datctype FROM pg_database WHERE datname = 'template0'" >"$work/ctype"
# What the order of text depends on here.
printf '%s' "$GITOVER_COLLATIONS_SQL" >"$work/collations.sql"
sql -d template1 -f "$work/collations.sql" >"$work/icu"
getconf GNU_LIBC_VERSION >"$work/libc" || fail "this image has no GNU C library"
stop || fail "the copy of blue doesn't stop"
trap - EXIT
sed -i '/^restore_command\|^recovery_target/d' "$old/postgresql.conf"
pg_controldata -D "$old" >"$work/control"

say "phase Programs"
bin=$(dirname "$(command -v postgres)")
bin=$(cd "$bin" && pwd -P)
config() { "$bin/pg_config" "--$1" 2>/dev/null || true; }
libraries=$(config pkglibdir) share=$(config sharedir)
: "${libraries:=$(cd "$bin/../lib" && pwd)}"
if [ -z "$share" ]; then
  share=/usr/share/postgresql/${GITOVER_BLUE_MAJOR}
fi
[ -e "$share/postgres.bki" ] || fail "$share has no PostgreSQL"
blue=$tools/blue
mkdir -p "$blue/lib" "$blue/bin" "$blue/root$bin" "$blue/root$libraries" "$blue/root$share"
for program in postgres pg_ctl pg_controldata pg_resetwal; do cp -L "$bin/$program" "$blue/root$bin/$program"; done
(cd "$libraries" && for file in *; do
  case $file in bitcode|llvmjit*|pgxs|bin|*.a) ;; *) cp -RL "$file" "$blue/root$libraries/" ;; esac
done)
cp -RL "$share/." "$blue/root$share/"
# Every library that these need, but those of the C library when the new image's are to be used (upgrade.sh).
for file in "$blue/root$bin"/* "$blue/root$libraries"/*.so; do ldd "$file" 2>/dev/null || true; done |
  sed -n -e 's/.*=> \(\/[^ ]*\) (.*/\1/p' -e 's/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' | sort -u >"$work/libraries"
while read -r file; do cp -L "$file" "$blue/lib/"; done <"$work/libraries"
loader=$(sed -n '/\/ld-[^/]*$/p' "$work/libraries" | head -n 1)
[ -n "$loader" ] || fail "no loader among the libraries of $bin/postgres: this image has no GNU C library"
for file in "$(dirname "$(grep '/libc\.so\.6$' "$work/libraries" | head -n 1)")"/libnss_files*.so*; do
  if [ -e "$file" ]; then cp -L "$file" "$blue/lib/"; fi
done
printf '%s\n' "$(basename "$loader")" >"$blue/loader"
printf '%s\n' "$bin" >"$blue/bindir"
chmod -R go+rX "$blue" 2>/dev/null || true
say "phase Copied at $position"
