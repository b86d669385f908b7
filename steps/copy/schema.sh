# Moves one half of a database's schema from blue to green: GITOVER_PHASE is pre-data (types,
# tables, functions, and the keys that replication needs) or post-data (everything else:
# indexes, constraints, triggers, rules). One transaction: done wholly or not at all, and a
# repeated run finds its own work. Connections come from BLUE_PG… and GREEN_PG… variables;
# nothing secret is an argument.
set -eu
umask 077
cd "${TMPDIR:-/tmp}"

on() { # on BLUE|GREEN command…: runs the command with that side's connection
  side=$1; shift
  eval "export PGHOST=\"\$${side}_PGHOST\" PGPORT=\"\$${side}_PGPORT\" PGUSER=\"\$${side}_PGUSER\""
  eval "export PGDATABASE=\"\$${side}_PGDATABASE\" PGPASSWORD=\"\${${side}_PGPASSWORD-}\" PGSSLMODE=\"\${${side}_PGSSLMODE:-prefer}\""
  eval "ca=\"\${${side}_CA-}\""
  unset PGSSLROOTCERT
  # libpq 16 and later shows the password to no server that isn't verified.
  case $PGSSLMODE in verify-*) unset PGREQUIREAUTH ;; *) export PGREQUIREAUTH="${PGPASSWORD:+scram-sha-256}" ;; esac
  if [ -n "$ca" ]; then printf '%s\n' "$ca" >"$side.crt"; export PGSSLROOTCERT="$PWD/$side.crt"; fi
  "$@"
}
# A time limit that a database or role sets for its applications must not end our statements.
unlimited='-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0'
export PGCONNECT_TIMEOUT=15 PGAPPNAME=gitover PGOPTIONS="$unlimited"
sql() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }

case $GITOVER_PHASE in pre-data) mark=pre_data ;; post-data) mark=post_data ;; *) echo "unknown phase" >&2; exit 2 ;; esac
case $GITOVER_UPGRADE in *[!0-9a-f]*) echo "GITOVER_UPGRADE must be hexadecimal" >&2; exit 2 ;; esac
found=$(on GREEN sql -c "SELECT coalesce(to_regclass('gitover.$mark')::text, '')")
if [ -n "$found" ] && [ "$(on GREEN sql -c "SELECT upgrade FROM gitover.$mark")" = "$GITOVER_UPGRADE" ]; then
  echo "$GITOVER_PHASE is there already"; exit 0
fi

on BLUE pg_dump -Fc --schema-only --no-publications --no-subscriptions \
  --exclude-schema=gitover --lock-wait-timeout=60s --quote-all-identifiers -f schema.dump
# Files instead of pipes: sh tells a failure only of a pipe's last command.
printf '%s' "$GITOVER_IDENTITY_SQL" >identity.sql
on BLUE sql -f identity.sql >identity
printf '%s' "$GITOVER_EXTENSIONS_SQL" >extensions.sql
on BLUE sql -f extensions.sql >extensions

# Entries of the table of contents read "<dump id>; <catalog> <oid> <kind> …".
pg_restore -l --section=pre-data schema.dump >contents
{ grep '^[0-9]' contents || true; } >pre
pg_restore -l --section=post-data schema.dump >contents
{ grep '^[0-9]' contents || true; } >post
awk 'FILENAME == "identity" { identity[$0] = 1; next } { print > (($2 " " $3) in identity ? "keys" : "rest") }' identity post
touch keys rest
if [ "$GITOVER_PHASE" = pre-data ]; then
  cat pre keys >list
else
  cp rest list
fi

# Older servers refuse settings that a newer pg_restore begins with. Late minor releases of some
# versions keep a note of their own, pg_attver, among a column's options, which only their
# own pg_dump leaves out. The rest of the script is left as it is. Neither the server's log nor
# ours repeats statements: passwords of user mappings are among them.
pg_restore --use-list=list -f restored.sql schema.dump
# Tablespaces that have none in their place become the default one.
printf '%s' "$GITOVER_TABLESPACES" >tablespaces
awk -F '\t' -v none="SET default_tablespace = '';" 'FILENAME == "tablespaces" { place[$1] = $2; next }
  /^SET default_tablespace = .*;$/ && $0 != none { print ($0 in place) ? place[$0] : none; next } { print }' tablespaces restored.sql >restore.sql
{
  echo 'SET client_min_messages = warning; SET lock_timeout = 0; SET statement_timeout = 0;'
  sed -e '1,60{/^SET transaction_timeout = 0;$/d;}' \
    -e 's/ SET (pg_attver=[0-9]*);$/ RESET (n_distinct);/' \
    -e 's/ SET (pg_attver=[0-9]*, \(n_distinct.*\));$/ SET (\1);/' \
    -e 's/ SET (\(n_distinct.*\), pg_attver=[0-9]*);$/ SET (\1);/' restore.sql
  echo
  cat extensions
  echo 'RESET search_path; CREATE SCHEMA IF NOT EXISTS gitover; REVOKE ALL ON SCHEMA gitover FROM PUBLIC;'
  echo "CREATE OR REPLACE VIEW gitover.$mark AS SELECT '$GITOVER_UPGRADE'::text AS upgrade;"
} >script.sql
quiet='-c session_replication_role=replica -c track_activities=off -c log_statement=none -c log_min_error_statement=panic'
quiet="$quiet -c log_min_duration_statement=-1 -c log_min_duration_sample=-1 -c log_transaction_sample_rate=0"
export PGOPTIONS="$unlimited $quiet -c pg_stat_statements.track_utility=off -c pgaudit.log=none"
on GREEN psql -Xq -1 -v ON_ERROR_STOP=1 -v VERBOSITY=terse -o /dev/null -f script.sql
echo "$GITOVER_PHASE: $(wc -l <list) objects"
