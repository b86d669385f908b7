-- The decision register: what one server records about switches, and its fence.
--
-- Run in database gitover by the administrative user, inside one transaction.
-- Parameters: none. A second run changes nothing and replaces the functions.
--
-- Every function is one statement of the caller's, so a caller that dies leaves no
-- transaction open. Those that act on behalf of a switch read its row first, under its lock: a
-- caller that was paused during an abort is refused.

CREATE SCHEMA IF NOT EXISTS gitover;
REVOKE ALL ON SCHEMA gitover FROM PUBLIC;

-- One row for each fenced database: the limit that the fence replaced. read_only is set if
-- admit changed default_transaction_read_only: null if not, else the former value, '' for no
-- setting.
CREATE TABLE IF NOT EXISTS gitover.connection_limits (
    datname   name PRIMARY KEY,
    connlimit integer NOT NULL
);
ALTER TABLE gitover.connection_limits ADD COLUMN IF NOT EXISTS read_only text;

-- Switches that lead away from this server. open -> abort | commit, once.
CREATE TABLE IF NOT EXISTS gitover.switches (
    id            text PRIMARY KEY,
    from_instance text NOT NULL,
    to_instance   text NOT NULL,
    databases     text[] NOT NULL,
    state         text NOT NULL CHECK (state IN ('open', 'abort', 'commit')),
    decided_by    text,
    opened_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    fenced_at     timestamptz,
    decided_at    timestamptz
);

-- key is generated with the row and returned once that says commit; without it open lifts nothing.
ALTER TABLE gitover.switches ADD COLUMN IF NOT EXISTS
    key text NOT NULL DEFAULT gen_random_uuid()::text || gen_random_uuid()::text;

-- Switches that lead to this server. ready -> opened | closed, once. position is the WAL
-- position at which this server had applied everything of the other and had written nothing of its own.
CREATE TABLE IF NOT EXISTS gitover.incoming_switches (
    id            text PRIMARY KEY,
    from_instance text NOT NULL,
    to_instance   text NOT NULL,
    state         text NOT NULL CHECK (state IN ('ready', 'opened', 'closed')),
    position      pg_lsn NOT NULL,
    ready_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    opened_by     text,
    opened_at     timestamptz
);
ALTER TABLE gitover.incoming_switches ADD COLUMN IF NOT EXISTS key_hash text;

-- turn orders the switches to this server and away from it, whatever its clock says.
CREATE SEQUENCE IF NOT EXISTS gitover.turns;
ALTER TABLE gitover.switches ADD COLUMN IF NOT EXISTS turn bigint;
ALTER TABLE gitover.incoming_switches ADD COLUMN IF NOT EXISTS turn bigint;

-- markers that the new side must have, by database: written behind the fence, after everything else.
ALTER TABLE gitover.switches ADD COLUMN IF NOT EXISTS markers jsonb;

-- Functions of earlier versions, with fewer parameters.
DROP FUNCTION IF EXISTS gitover.shut(text[]), gitover.ready(text, text, text), gitover.open(text, text), gitover.commit(text, text);

-- shut: refuses new application sessions in these databases; with everybody also those of
-- superusers and workers. Remembers the limit in force, and keeps the first one remembered.
CREATE OR REPLACE FUNCTION gitover.shut(wanted text[], everybody boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    d record;
    missing text;
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    SELECT string_agg(quote_ident(w), ', ') INTO missing
      FROM unnest(wanted) w WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = w);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'database not found: %', missing USING ERRCODE = 'invalid_catalog_name';
    END IF;
    FOR d IN SELECT datname, datconnlimit, datallowconn FROM pg_database
              WHERE datname = ANY (wanted) AND datconnlimit <> -2 ORDER BY datname LOOP
        INSERT INTO gitover.connection_limits VALUES (d.datname, d.datconnlimit)
            ON CONFLICT DO NOTHING;
        IF everybody AND d.datallowconn THEN
            EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 0 ALLOW_CONNECTIONS false', d.datname);
        ELSIF d.datconnlimit <> 0 THEN
            EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 0', d.datname);
        END IF;
    END LOOP;
END $$;

-- turn: the last switch that began here or led here, for shut_again.
CREATE OR REPLACE FUNCTION gitover.turn() RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS
$$ SELECT coalesce(max(t.turn), 0) FROM (SELECT turn FROM gitover.switches UNION ALL SELECT turn FROM gitover.incoming_switches) t $$;

-- shut_again: closes a server that doesn't serve and is open nevertheless: it forgot that it was left, since a standby without
-- the end of that switch took its place. The switch went forward, so that is recorded. Does nothing and returns false if
-- another switch has begun here or led here since turn was read: a controller that was paused must not close a server
-- that serves.
CREATE OR REPLACE FUNCTION gitover.shut_again(wanted text[], seen bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    LOCK TABLE gitover.incoming_switches, gitover.switches IN SHARE ROW EXCLUSIVE MODE;
    IF gitover.turn() <> seen THEN
        RETURN false;
    END IF;
    UPDATE gitover.switches SET state = 'commit', decided_by = 'forgotten by a standby that was promoted',
           decided_at = clock_timestamp() WHERE state = 'open';
    PERFORM gitover.shut(wanted, false);
    RETURN true;
END $$;

-- close_new: closes a database of a server that never served to applications, if it exists, and remembers the limit
-- that it gets back later. Refused once a switch has led here, or away: a controller that was paused since then
-- must not close a server that serves.
CREATE OR REPLACE FUNCTION gitover.close_new(db name, connlimit integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    LOCK TABLE gitover.incoming_switches, gitover.switches IN SHARE ROW EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM gitover.incoming_switches) OR EXISTS (SELECT FROM gitover.switches WHERE state <> 'abort') THEN
        RAISE EXCEPTION 'a switch has led to this server already: database % is not closed', db
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    INSERT INTO gitover.connection_limits AS l VALUES (db, close_new.connlimit)
        ON CONFLICT (datname) DO UPDATE SET connlimit = excluded.connlimit;
    IF EXISTS (SELECT FROM pg_database WHERE datname = db AND datconnlimit NOT IN (0, -2)) THEN
        EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 0', db);
    END IF;
END $$;

-- lift: restores the remembered limits. Called by abort and open only.
CREATE OR REPLACE FUNCTION gitover.lift() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    l record;
BEGIN
    FOR l IN SELECT c.datname, c.connlimit, c.read_only, d.datallowconn FROM gitover.connection_limits c
               JOIN pg_database d ON d.datname = c.datname ORDER BY 1 LOOP
        EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT %s', l.datname, l.connlimit)
             || CASE WHEN l.datallowconn THEN '' ELSE ' ALLOW_CONNECTIONS true' END;
        IF l.read_only = '' THEN
            EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', l.datname);
        ELSIF l.read_only IS NOT NULL THEN
            EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = %L', l.datname, l.read_only);
        END IF;
    END LOOP;
    DELETE FROM gitover.connection_limits;
END $$;

-- admit: after a switch that went forward, lets replication workers connect again. Superusers
-- may connect as well, but their transactions are read-only by default; writable are databases
-- where replication itself must write. Does nothing while another switch is undecided, and
-- nothing without a fence. Returns the decision.
CREATE OR REPLACE FUNCTION gitover.admit(switch_id text, writable text[]) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    l record;
    result text;
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    LOCK TABLE gitover.switches IN EXCLUSIVE MODE;
    SELECT state INTO result FROM gitover.switches WHERE id = switch_id;
    IF result IS DISTINCT FROM 'commit' OR EXISTS (SELECT FROM gitover.switches WHERE state = 'open') THEN
        RETURN result;
    END IF;
    FOR l IN SELECT d.oid, d.datname FROM gitover.connection_limits c
               JOIN pg_database d ON d.datname = c.datname WHERE NOT d.datallowconn ORDER BY 2 LOOP
        IF l.datname <> ALL (writable) THEN
            UPDATE gitover.connection_limits SET read_only = coalesce(read_only, (
                SELECT substr(entry, strpos(entry, '=') + 1) FROM pg_db_role_setting, unnest(setconfig) entry
                 WHERE setdatabase = l.oid AND setrole = 0 AND split_part(entry, '=', 1) = 'default_transaction_read_only'), '')
             WHERE datname = l.datname;
            EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', l.datname);
        END IF;
        EXECUTE format('ALTER DATABASE %I ALLOW_CONNECTIONS true', l.datname);
    END LOOP;
    RETURN result;
END $$;

-- begin: opens the row of a switch away from this server. One at a time; incoming switches that were
-- never opened are closed, so that a controller or agent that was paused can't open this server later.
-- A server that is closed already, and not by this switch, has lost the record of its opening: an abort
-- would open it without a decision.
CREATE OR REPLACE FUNCTION gitover.begin(switch_id text, source text, destination text, dbs text[]) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    other text;
    result text;
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    LOCK TABLE gitover.switches IN EXCLUSIVE MODE;
    SELECT id INTO other FROM gitover.switches WHERE state = 'open' AND id <> switch_id LIMIT 1;
    IF other IS NOT NULL THEN
        RAISE EXCEPTION 'switch % is undecided', other USING ERRCODE = 'object_in_use';
    END IF;
    IF EXISTS (SELECT FROM gitover.connection_limits) AND NOT EXISTS (SELECT FROM gitover.switches WHERE id = switch_id) THEN
        RAISE EXCEPTION 'this server is closed to applications: no switch away from it begins'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    UPDATE gitover.incoming_switches SET state = 'closed' WHERE state = 'ready';
    INSERT INTO gitover.switches (id, from_instance, to_instance, databases, state, turn)
        VALUES (switch_id, source, destination, dbs, 'open', nextval('gitover.turns')) ON CONFLICT DO NOTHING;
    SELECT state INTO result FROM gitover.switches WHERE id = switch_id;
    RETURN result;
END $$;

-- fence: shut with everybody, on behalf of a switch that is open; does nothing for any other.
CREATE OR REPLACE FUNCTION gitover.fence(switch_id text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s gitover.switches;
BEGIN
    SELECT * INTO s FROM gitover.switches WHERE id = switch_id FOR UPDATE;
    IF s.state = 'open' THEN
        PERFORM gitover.shut(s.databases, true);
        UPDATE gitover.switches SET fenced_at = clock_timestamp() WHERE id = switch_id;
    END IF;
    RETURN s.state;
END $$;

-- commit: open -> commit, if connections to this server are disabled. Returns the decision.
CREATE OR REPLACE FUNCTION gitover.commit(switch_id text, who text, written jsonb) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s gitover.switches;
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    SELECT * INTO s FROM gitover.switches WHERE id = switch_id FOR UPDATE;
    IF s.state = 'open' THEN
        IF s.fenced_at IS NULL OR EXISTS (SELECT FROM pg_database
             WHERE datname = ANY (s.databases) AND datconnlimit <> -2
               AND (datconnlimit <> 0 OR datallowconn)) THEN
            RAISE EXCEPTION 'switch % may not commit: its old side is not fenced', switch_id
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        UPDATE gitover.switches SET state = 'commit', decided_by = who,
               decided_at = clock_timestamp(), markers = written WHERE id = switch_id;
        RETURN 'commit';
    END IF;
    RETURN s.state;
END $$;

-- abort: open -> abort, and the fence is lifted in the same transaction. Returns the decision.
-- A switch that never began here is aborted for good, and nothing is lifted.
CREATE OR REPLACE FUNCTION gitover.abort(switch_id text, who text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    result text;
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    INSERT INTO gitover.switches (id, from_instance, to_instance, databases, state, decided_by, decided_at)
        VALUES (switch_id, '', '', '{}', 'abort', who, clock_timestamp()) ON CONFLICT DO NOTHING;
    SELECT state INTO result FROM gitover.switches WHERE id = switch_id FOR UPDATE;
    IF result = 'open' THEN
        UPDATE gitover.switches SET state = 'abort', decided_by = who,
               decided_at = clock_timestamp() WHERE id = switch_id;
        PERFORM gitover.lift();
        RETURN 'abort';
    END IF;
    RETURN result;
END $$;

-- abort_alone: waits until a switch is decided, and aborts it as soon as the session controller_pid, which carries it out,
-- is gone, or after so many seconds: where no agent stands beside a proxy, a controller that dies leaves no closed server.
-- Whoever calls it may be gone by then. Returns the decision.
CREATE OR REPLACE FUNCTION gitover.abort_alone(switch_id text, who text, controller_pid integer, seconds double precision) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    until timestamptz := clock_timestamp() + make_interval(secs => seconds);
    since timestamptz := (SELECT backend_start FROM pg_stat_activity WHERE pid = controller_pid);
    result text;
BEGIN
    IF current_setting('client_connection_check_interval', true) IS NOT NULL THEN -- from 14 on
        PERFORM set_config('client_connection_check_interval', '0', true);
    END IF;
    LOOP
        SELECT state INTO result FROM gitover.switches WHERE id = switch_id;
        IF result IS DISTINCT FROM 'open' THEN
            RETURN result;
        END IF;
        PERFORM pg_stat_clear_snapshot();
        IF clock_timestamp() > until OR since IS NULL OR NOT EXISTS (
            SELECT FROM pg_stat_activity WHERE pid = controller_pid AND backend_start = since) THEN
            RETURN gitover.abort(switch_id, who);
        END IF;
        PERFORM pg_sleep(0.02);
    END LOOP;
END $$;

-- state: the decision about a switch away from this server; null if it never began.
CREATE OR REPLACE FUNCTION gitover.state(switch_id text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$ SELECT state FROM gitover.switches WHERE id = switch_id $$;

-- key: what open needs, once the decision is commit; null before, and for any other decision.
CREATE OR REPLACE FUNCTION gitover.key(switch_id text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT s.key FROM gitover.switches s WHERE s.id = switch_id AND s.state = 'commit');
END $$;

-- key_hash: the hash of the key, for ready.
CREATE OR REPLACE FUNCTION gitover.key_hash(switch_id text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS
$$ SELECT encode(sha256(convert_to(key, 'UTF8')), 'hex') FROM gitover.switches WHERE id = switch_id $$;

-- ready: this server has applied everything; this switch may open it once. The commit is
-- synchronous, so everything that was applied before it is durable, too. The empty id does
-- nothing.
CREATE OR REPLACE FUNCTION gitover.ready(switch_id text, source text, destination text, hash text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    result text;
BEGIN
    IF switch_id = '' THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('synchronous_commit', 'on', true);
    -- begin runs before or after this, never at the same time.
    LOCK TABLE gitover.switches IN ROW SHARE MODE;
    IF EXISTS (SELECT FROM gitover.switches WHERE state = 'open') THEN
        RAISE EXCEPTION 'a switch away from this server is undecided' USING ERRCODE = 'object_in_use';
    END IF;
    UPDATE gitover.incoming_switches SET state = 'closed' WHERE state = 'ready' AND id <> switch_id;
    INSERT INTO gitover.incoming_switches (id, from_instance, to_instance, state, position, key_hash)
        VALUES (switch_id, source, destination, 'ready', pg_current_wal_insert_lsn(), hash)
        ON CONFLICT DO NOTHING;
    SELECT position INTO result FROM gitover.incoming_switches WHERE id = switch_id;
    RETURN result;
END $$;

-- open: ready -> opened, and the fence of this server is lifted in the same transaction.
-- The key is in the old side's register, which returns it with 'commit' only: no client can
-- open this server before the decision. A call without the key, a second one, or one after a
-- later switch away from this server, lifts nothing. Returns the state.
CREATE OR REPLACE FUNCTION gitover.open(switch_id text, who text, key text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    result text;
    hash text;
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    SELECT state, key_hash INTO result, hash FROM gitover.incoming_switches WHERE id = switch_id FOR UPDATE;
    IF result = 'ready' AND hash = encode(sha256(convert_to(key, 'UTF8')), 'hex') THEN
        UPDATE gitover.incoming_switches SET state = 'opened', opened_by = who,
               opened_at = clock_timestamp(), turn = nextval('gitover.turns') WHERE id = switch_id;
        PERFORM gitover.lift();
        RETURN 'opened';
    END IF;
    RETURN result;
END $$;

-- open_without_key: as open, for the case that a human said that the old side, which has the key, is lost for good. Agents may
-- not call it.
CREATE OR REPLACE FUNCTION gitover.open_without_key(switch_id text, who text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    result text;
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    SELECT state INTO result FROM gitover.incoming_switches WHERE id = switch_id FOR UPDATE;
    IF result = 'ready' THEN
        UPDATE gitover.incoming_switches SET state = 'opened', opened_by = who,
               opened_at = clock_timestamp(), turn = nextval('gitover.turns') WHERE id = switch_id;
        PERFORM gitover.lift();
        RETURN 'opened';
    END IF;
    RETURN result;
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA gitover FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA gitover FROM PUBLIC;
-- Before 15 every role that may connect may create objects there.
DO $$ BEGIN
    IF to_regnamespace('public') IS NOT NULL THEN
        REVOKE ALL ON SCHEMA public FROM PUBLIC;
    END IF;
END $$;
