# Runs the SQL of a hook by psql: GITOVER_SQL, on the server that the PG… variables name. Nothing secret is an argument. It ends with
# psql's own status; GITOVER_TIMEOUT, in seconds, ends it and its statement.
set -eu
umask 077
cd "${TMPDIR:-/tmp}"
export PGSSLMODE="${PGSSLMODE:-prefer}"
# libpq 16 and later shows the password to no server that isn't verified.
case $PGSSLMODE in verify-*) ;; *) export PGREQUIREAUTH="${PGPASSWORD:+scram-sha-256}" ;; esac
if [ -n "${CA-}" ]; then printf '%s\n' "$CA" >ca.crt; export PGSSLROOTCERT="$PWD/ca.crt"; fi
printf '%s\n' "$GITOVER_SQL" >hook.sql
# The server ends what this doesn't wait for any more.
export PGCONNECT_TIMEOUT=15 PGAPPNAME="gitover-hook" \
  PGOPTIONS="-c statement_timeout=${GITOVER_TIMEOUT}s -c idle_in_transaction_session_timeout=${GITOVER_TIMEOUT}s -c default_transaction_read_only=$GITOVER_READ_ONLY"
limit=
if command -v timeout >/dev/null; then limit="timeout $GITOVER_TIMEOUT"; fi
status=0
$limit psql -X -v ON_ERROR_STOP=1 -v from="$GITOVER_FROM" -v to="$GITOVER_TO" -v moment="$GITOVER_MOMENT" -v mode="$GITOVER_MODE" -f hook.sql 2>&1 || status=$?
if [ $status -eq 124 ]; then echo "timed out after $GITOVER_TIMEOUT seconds"; fi
exit $status
