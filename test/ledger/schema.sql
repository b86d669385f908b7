-- The ledger's tables, owned by the application's role. No parameters; a second run changes nothing.
CREATE SCHEMA IF NOT EXISTS ledger;

-- Rows with a key. Each says which server accepted it, and when.
CREATE TABLE IF NOT EXISTS ledger.entry (
    id         bigint PRIMARY KEY,
    client     integer NOT NULL,
    note       text NOT NULL,
    accepted_by integer NOT NULL DEFAULT current_setting('server_version_num')::integer,
    accepted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Rows without a key: nothing but exactness keeps them from doubling.
CREATE TABLE IF NOT EXISTS ledger.journal (
    id      bigint NOT NULL,
    client  integer NOT NULL,
    touched integer NOT NULL DEFAULT 0,
    payload text
);
ALTER TABLE ledger.journal REPLICA IDENTITY FULL;
CREATE INDEX IF NOT EXISTS journal_id ON ledger.journal (id);

-- Counters: shared ones, one of each client's own, and accounts that must balance.
CREATE TABLE IF NOT EXISTS ledger.counter (
    id integer PRIMARY KEY,
    n  bigint NOT NULL DEFAULT 0
);
INSERT INTO ledger.counter (id) SELECT generate_series(0, 511) ON CONFLICT DO NOTHING;

-- Values of sequences and identities.
CREATE TABLE IF NOT EXISTS ledger.ticket (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    serial bigserial NOT NULL UNIQUE,
    client integer NOT NULL
);
CREATE SEQUENCE IF NOT EXISTS ledger.lone INCREMENT BY 3;
CREATE SEQUENCE IF NOT EXISTS ledger.down INCREMENT BY -1 MINVALUE -9000000000 MAXVALUE -1 START -1 CACHE 5;
