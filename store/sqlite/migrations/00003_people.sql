-- What people need of their data: lists that an index serves, retention, erasure; and what was learnt. Samples of
-- trips are not here: each day has a file of its own, which is dropped.

-- +goose Up

-- Lists by state: the open orders have an index, these are the closed ones, written once an order closes. The
-- second is for retention.
CREATE INDEX orders_closed_state ON orders (market, state, id) WHERE closed_at IS NOT NULL;
CREATE INDEX orders_closed_at ON orders (closed_at) WHERE closed_at IS NOT NULL;

-- What an order's deletion asks for.
CREATE INDEX offers_order ON offers (order_id);

-- How far retention has come: what was closed before this market instant has been seen to.
CREATE TABLE retention (
    what TEXT    NOT NULL PRIMARY KEY CHECK (what = 'places'),
    done INTEGER NOT NULL
) STRICT;

-- Documents that are learnt, for each market.
CREATE TABLE learnt (
    market TEXT NOT NULL,
    name   TEXT NOT NULL,
    doc    BLOB NOT NULL,
    PRIMARY KEY (market, name)
) STRICT, WITHOUT ROWID;

-- Erasures, by wall time: begun, rewritten here, done everywhere. The erased id stands here until then, no longer.
CREATE TABLE erasures (
    id           TEXT    NOT NULL PRIMARY KEY,
    role         TEXT    NOT NULL CHECK (role IN ('rider', 'driver')),
    sub          TEXT,
    pseudonym    TEXT    NOT NULL UNIQUE CHECK (pseudonym LIKE 'erased-%'),
    requested_at INTEGER NOT NULL,
    rewritten_at INTEGER,
    done_at      INTEGER,
    CHECK ((sub IS NULL) = (done_at IS NOT NULL)),
    CHECK (done_at IS NULL OR rewritten_at IS NOT NULL)
) STRICT;

-- The orders and duties of which the bus may have events that name the erased; seq is that of the last of them.
CREATE TABLE erasure_subjects (
    erasure    TEXT    NOT NULL REFERENCES erasures (id),
    market     TEXT    NOT NULL REFERENCES markets (id),
    subject    TEXT    NOT NULL CHECK (subject IN ('order', 'driver')),
    subject_id TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    PRIMARY KEY (erasure, market, subject, subject_id)
) STRICT, WITHOUT ROWID;

-- The permit to change the history: it names what may change, and no transaction that leaves it behind can be
-- committed, because what it refers to is never there.
CREATE TABLE never (id INTEGER NOT NULL PRIMARY KEY CHECK (id <> id)) STRICT;

CREATE TABLE permit (
    one       INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    role      TEXT CHECK (role IN ('rider', 'driver')),
    sub       TEXT,
    pseudonym TEXT CHECK (pseudonym LIKE 'erased-%'),
    older     INTEGER, -- than this market instant is what may be deleted
    ends      INTEGER NOT NULL DEFAULT 1 REFERENCES never (id) DEFERRABLE INITIALLY DEFERRED,
    CHECK ((role IS NULL) = (sub IS NULL) AND (role IS NULL) = (pseudonym IS NULL)),
    CHECK ((role IS NULL) <> (older IS NULL))
) STRICT;

DROP TRIGGER events_never_change;

-- Under a permit one id may be replaced where it names the erased, and words of people may go.
-- +goose StatementBegin
CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'the history is append-only')
    WHERE NOT EXISTS (SELECT 1 FROM permit p WHERE p.role IS NOT NULL
        AND (NEW.market, NEW.seq, NEW.subject, NEW.version, NEW.type, NEW.at, NEW.by_role, NEW.from_state,
                NEW.to_state, NEW.offer_id)
            IS (OLD.market, OLD.seq, OLD.subject, OLD.version, OLD.type, OLD.at, OLD.by_role, OLD.from_state,
                OLD.to_state, OLD.offer_id)
        AND (NEW.by_sub IS OLD.by_sub
            OR (OLD.by_role = p.role AND OLD.by_sub = p.sub AND NEW.by_sub = p.pseudonym))
        AND (NEW.driver_id IS OLD.driver_id
            OR (p.role = 'driver' AND OLD.driver_id = p.sub AND NEW.driver_id = p.pseudonym))
        AND (NEW.subject_id = OLD.subject_id OR (p.role = 'driver' AND OLD.subject = 'driver'
            AND OLD.subject_id = p.sub AND NEW.subject_id = p.pseudonym))
        AND (NEW.reason IS OLD.reason OR NEW.reason IS NULL)
        AND json_remove(NEW.doc, '$.rider_id', '$.driver_id', '$.bars', '$.reason', '$.tags')
            = json_remove(OLD.doc, '$.rider_id', '$.driver_id', '$.bars', '$.reason', '$.tags')
        AND (NEW.doc ->> '$.rider_id' IS OLD.doc ->> '$.rider_id' OR (p.role = 'rider'
            AND OLD.doc ->> '$.rider_id' = p.sub AND NEW.doc ->> '$.rider_id' = p.pseudonym))
        AND (NEW.doc ->> '$.driver_id' IS OLD.doc ->> '$.driver_id' OR (p.role = 'driver'
            AND OLD.doc ->> '$.driver_id' = p.sub AND NEW.doc ->> '$.driver_id' = p.pseudonym)));
END;
-- +goose StatementEnd

DROP TRIGGER events_never_go;

-- Under a permit old events may go: of orders that were closed before its instant, and of duties but for each
-- driver's last, which the next one follows. What the relay has not published stays.
-- +goose StatementBegin
CREATE TRIGGER events_never_go BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'the history is append-only')
    WHERE NOT EXISTS (SELECT 1 FROM permit p WHERE OLD.at < p.older
        AND OLD.seq <= (SELECT cursor FROM markets WHERE id = OLD.market)
        AND CASE OLD.subject
            WHEN 'order' THEN EXISTS (SELECT 1 FROM orders WHERE id = OLD.subject_id AND closed_at < p.older)
            ELSE OLD.version < (SELECT version FROM drivers WHERE id = OLD.subject_id) END);
END;
-- +goose StatementEnd

DROP TRIGGER orders_change_by_event;

-- An order's row is what its event says; only a permit changes whose it is.
-- +goose StatementBegin
CREATE TRIGGER orders_change_by_event BEFORE UPDATE ON orders
BEGIN
    SELECT RAISE(ABORT, 'order changes without its event')
    WHERE (NEW.rider_id <> OLD.rider_id OR NOT EXISTS (SELECT 1 FROM events
        WHERE subject_id = NEW.id AND subject = 'order' AND version = NEW.version AND to_state = NEW.state
            AND (OLD.driver_id IS NULL OR NEW.driver_id IS NULL OR NEW.driver_id = OLD.driver_id
                OR type = 'order.reassigned')))
        AND NOT EXISTS (SELECT 1 FROM permit p WHERE p.role IS NOT NULL
            AND (NEW.id, NEW.market, NEW.kind, NEW.state, NEW.version, NEW.vehicle_class, NEW.next_stop,
                    NEW.requested_at, NEW.pickup_at, NEW.pickup_eta, NEW.dropoff_eta, NEW.cancelled_by,
                    NEW.search_since, NEW.changed_at, NEW.priority, NEW.closed_at)
                IS (OLD.id, OLD.market, OLD.kind, OLD.state, OLD.version, OLD.vehicle_class, OLD.next_stop,
                    OLD.requested_at, OLD.pickup_at, OLD.pickup_eta, OLD.dropoff_eta, OLD.cancelled_by,
                    OLD.search_since, OLD.changed_at, OLD.priority, OLD.closed_at)
            AND OLD.closed_at IS NOT NULL
            AND (NEW.rider_id = OLD.rider_id
                OR (p.role = 'rider' AND OLD.rider_id = p.sub AND NEW.rider_id = p.pseudonym))
            AND (NEW.driver_id IS OLD.driver_id
                OR (p.role = 'driver' AND OLD.driver_id = p.sub AND NEW.driver_id = p.pseudonym)));
END;
-- +goose StatementEnd

-- +goose Down

DROP TRIGGER orders_change_by_event;
DROP TRIGGER events_never_go;
DROP TRIGGER events_never_change;

-- +goose StatementBegin
CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'the history is append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER events_never_go BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'the history is append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER orders_change_by_event BEFORE UPDATE ON orders
BEGIN
    SELECT RAISE(ABORT, 'order changes without its event')
    WHERE NOT EXISTS (SELECT 1 FROM events
        WHERE subject_id = NEW.id AND subject = 'order' AND version = NEW.version AND to_state = NEW.state
            AND (OLD.driver_id IS NULL OR NEW.driver_id IS NULL OR NEW.driver_id = OLD.driver_id
                OR type = 'order.reassigned'));
END;
-- +goose StatementEnd

DROP TABLE permit;
DROP TABLE never;
DROP TABLE erasure_subjects;
DROP TABLE erasures;
DROP TABLE learnt;
DROP TABLE retention;
DROP INDEX offers_order;
DROP INDEX orders_closed_at;
DROP INDEX orders_closed_state;
