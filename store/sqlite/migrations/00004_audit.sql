-- The audit log: who of the staff and operators did what, and which accesses were refused. It is append-only and
-- hash-chained (store/audit.go); it holds no name of a rider or driver and no place. Instants are wall.

-- +goose Up

CREATE TABLE audit (
    chain          TEXT    NOT NULL,
    n              INTEGER NOT NULL CHECK (n >= 1),
    at             INTEGER NOT NULL, -- wall
    role           TEXT, -- NULL when no token told
    sub            TEXT, -- a digest for riders and drivers: audit_actors
    action         TEXT    NOT NULL,
    object         TEXT,
    outcome        TEXT    NOT NULL, -- ok, or the code of the refusal
    before_state   TEXT,
    before_version INTEGER NOT NULL CHECK (before_version >= 0),
    after_state    TEXT,
    after_version  INTEGER NOT NULL CHECK (after_version >= 0),
    request_id     TEXT,
    count          INTEGER NOT NULL CHECK (count >= 1),
    hash           BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (chain, n),
    CHECK ((before_state IS NULL) = (before_version = 0)),
    CHECK ((after_state IS NULL) = (after_version = 0)),
    CHECK (sub IS NULL OR role IS NOT NULL),
    -- A rider or driver is never named here.
    CHECK (sub IS NULL OR (role <> 'rider' AND role <> 'driver') OR sub GLOB 'sha256:*'),
    CHECK (object IS NULL OR (object NOT GLOB 'rider:*' AND object NOT GLOB 'driver:*') OR object GLOB '*:sha256:*')
) STRICT, WITHOUT ROWID;

-- Where each chain ends, so that a log that was cut off is noticed.
CREATE TABLE audit_chains (
    id   TEXT    NOT NULL PRIMARY KEY,
    n    INTEGER NOT NULL CHECK (n >= 1),
    hash BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT, WITHOUT ROWID;

-- Who a digest stands for. Erasing a row erases the name from the log and leaves its chains whole.
CREATE TABLE audit_actors (
    digest TEXT NOT NULL PRIMARY KEY,
    role   TEXT NOT NULL CHECK (role = 'rider' OR role = 'driver'),
    sub    TEXT NOT NULL,
    salt   BLOB NOT NULL CHECK (length(salt) = 16),
    UNIQUE (role, sub)
) STRICT, WITHOUT ROWID;

-- An entry follows the last of its chain; so none is put in the place of another either (INSERT OR REPLACE would
-- not ask the trigger that refuses deletions).
-- +goose StatementBegin
CREATE TRIGGER audit_follows BEFORE INSERT ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only')
    WHERE NEW.n <> 1 + coalesce((SELECT max(n) FROM audit WHERE chain = NEW.chain), 0);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_never_goes BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd

-- A head moves forward only, to the last entry of its chain.
-- +goose StatementBegin
CREATE TRIGGER audit_chains_begin BEFORE INSERT ON audit_chains
BEGIN
    SELECT RAISE(ABORT, 'a head of the audit log has its entry')
    WHERE EXISTS (SELECT 1 FROM audit_chains WHERE id = NEW.id AND n >= NEW.n)
        OR NOT EXISTS (SELECT 1 FROM audit WHERE chain = NEW.id AND n = NEW.n AND hash = NEW.hash);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_chains_follow BEFORE UPDATE ON audit_chains
BEGIN
    SELECT RAISE(ABORT, 'a head of the audit log has its entry')
    WHERE NEW.id <> OLD.id OR NEW.n <= OLD.n
        OR NOT EXISTS (SELECT 1 FROM audit WHERE chain = NEW.id AND n = NEW.n AND hash = NEW.hash);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_chains_never_go BEFORE DELETE ON audit_chains
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd

-- +goose Down

DROP TABLE audit_actors;
DROP TABLE audit_chains;
DROP TABLE audit;
