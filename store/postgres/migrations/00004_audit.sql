-- The audit log: who of the staff and operators did what, and which accesses were refused. It is append-only and
-- hash-chained (store/audit.go); it holds no name of a rider or driver and no place. Instants are wall.

-- +goose Up

CREATE TABLE audit (
    chain          text   COLLATE "C" NOT NULL,
    n              bigint NOT NULL CHECK (n >= 1),
    at             bigint NOT NULL, -- wall
    role           text, -- NULL when no token told
    sub            text, -- a digest for riders and drivers: audit_actors
    action         text   NOT NULL,
    object         text,
    outcome        text   NOT NULL, -- ok, or the code of the refusal
    before_state   text,
    before_version bigint NOT NULL CHECK (before_version >= 0),
    after_state    text,
    after_version  bigint NOT NULL CHECK (after_version >= 0),
    request_id     text,
    count          bigint NOT NULL CHECK (count >= 1),
    hash           bytea  NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (chain, n),
    CHECK ((before_state IS NULL) = (before_version = 0)),
    CHECK ((after_state IS NULL) = (after_version = 0)),
    CHECK (sub IS NULL OR role IS NOT NULL),
    -- A rider or driver is never named here.
    CHECK (sub IS NULL OR (role <> 'rider' AND role <> 'driver') OR starts_with(sub, 'sha256:')),
    CHECK (object IS NULL OR object !~ '^(rider|driver):' OR object ~ '^[a-z]+:sha256:')
);

-- Where each chain ends, so that a log that was cut off is noticed.
CREATE TABLE audit_chains (
    id   text   COLLATE "C" NOT NULL PRIMARY KEY,
    n    bigint NOT NULL CHECK (n >= 1),
    hash bytea  NOT NULL CHECK (length(hash) = 32)
);

-- Who a digest stands for. Erasing a row erases the name from the log and leaves its chains whole.
CREATE TABLE audit_actors (
    digest text  COLLATE "C" NOT NULL PRIMARY KEY,
    role   text  COLLATE "C" NOT NULL CHECK (role = 'rider' OR role = 'driver'),
    sub    text  COLLATE "C" NOT NULL,
    salt   bytea NOT NULL CHECK (length(salt) = 16),
    UNIQUE (role, sub)
);

-- An entry follows the last of its chain.
-- +goose StatementBegin
CREATE FUNCTION audit_follows() RETURNS trigger AS $$
BEGIN
    IF NEW.n <> 1 + coalesce((SELECT max(n) FROM audit WHERE chain = NEW.chain), 0) THEN
        RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = '23000';
    END IF;
    RETURN NEW;
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

CREATE TRIGGER audit_follows BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_follows();
CREATE TRIGGER audit_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION journal_refuse('the audit log is append-only');

-- A head moves forward only, to the last entry of its chain.
-- +goose StatementBegin
CREATE FUNCTION audit_chains_follow() RETURNS trigger AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.id <> OLD.id OR NEW.n <= OLD.n)
        OR NOT EXISTS (SELECT 1 FROM audit WHERE chain = NEW.id AND n = NEW.n AND hash = NEW.hash) THEN
        RAISE EXCEPTION 'a head of the audit log has its entry' USING ERRCODE = '23000';
    END IF;
    RETURN NEW;
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

CREATE TRIGGER audit_chains_follow BEFORE INSERT OR UPDATE ON audit_chains
    FOR EACH ROW EXECUTE FUNCTION audit_chains_follow();
CREATE TRIGGER audit_chains_never_go BEFORE DELETE OR TRUNCATE ON audit_chains
    FOR EACH STATEMENT EXECUTE FUNCTION journal_refuse('the audit log is append-only');

-- +goose Down

DROP TABLE audit_actors;
DROP TABLE audit_chains;
DROP TABLE audit;
DROP FUNCTION audit_follows, audit_chains_follow;
