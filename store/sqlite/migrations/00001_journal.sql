-- The journal: what happened. Instants are integer microseconds since 1970 UTC, of the market clock unless
-- a comment says wall; NULL is the zero instant. Ids, states and types are the words of docs/contract.md.
-- The tables repeat the law of dispatch: what a defect of the code would write is refused here.

-- +goose Up

-- A market: its leader's epoch, its commits and events counted, the relay's cursor.
CREATE TABLE markets (
    id     TEXT    NOT NULL PRIMARY KEY,
    epoch  INTEGER NOT NULL CHECK (epoch >= 1),
    batch  INTEGER NOT NULL DEFAULT 0 CHECK (batch >= 0),
    seq    INTEGER NOT NULL DEFAULT 0 CHECK (seq >= 0),
    at     INTEGER,
    cursor INTEGER NOT NULL DEFAULT 0 CHECK (cursor >= 0 AND cursor <= seq)
) STRICT;

-- The legal transitions: dispatch.Transitions() with the type of their event, and the events that keep the
-- state: any open order may be edited, one picked up may be reassigned.
CREATE TABLE transitions (
    type       TEXT NOT NULL,
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    PRIMARY KEY (type, from_state, to_state)
) STRICT, WITHOUT ROWID;

INSERT INTO transitions (type, from_state, to_state) VALUES
    ('order.searching', '', 'searching'),
    ('order.scheduled', '', 'scheduled'),
    ('order.searching', 'scheduled', 'searching'),
    ('order.offered', 'searching', 'offered'),
    ('order.no_driver', 'searching', 'no_driver'),
    ('order.searching', 'no_driver', 'searching'),
    ('order.searching', 'offered', 'searching'),
    ('order.en_route_to_pickup', 'searching', 'en_route_to_pickup'),
    ('order.en_route_to_pickup', 'offered', 'en_route_to_pickup'),
    ('order.en_route_to_pickup', 'scheduled', 'en_route_to_pickup'),
    ('order.arrived_at_pickup', 'en_route_to_pickup', 'arrived_at_pickup'),
    ('order.en_route_to_stop', 'arrived_at_pickup', 'en_route_to_stop'),
    ('order.en_route_to_dropoff', 'arrived_at_pickup', 'en_route_to_dropoff'),
    ('order.arrived_at_stop', 'en_route_to_stop', 'arrived_at_stop'),
    ('order.en_route_to_stop', 'arrived_at_stop', 'en_route_to_stop'),
    ('order.en_route_to_dropoff', 'arrived_at_stop', 'en_route_to_dropoff'),
    ('order.arrived_at_dropoff', 'en_route_to_dropoff', 'arrived_at_dropoff'),
    ('order.completed', 'en_route_to_dropoff', 'completed'),
    ('order.completed', 'arrived_at_dropoff', 'completed'),
    ('order.returning', 'en_route_to_dropoff', 'returning'),
    ('order.returning', 'arrived_at_dropoff', 'returning'),
    ('order.returned', 'returning', 'returned'),
    ('order.searching', 'en_route_to_pickup', 'searching'),
    ('order.searching', 'arrived_at_pickup', 'searching'),
    ('order.cancelled', 'scheduled', 'cancelled'),
    ('order.cancelled', 'searching', 'cancelled'),
    ('order.cancelled', 'offered', 'cancelled'),
    ('order.cancelled', 'en_route_to_pickup', 'cancelled'),
    ('order.cancelled', 'arrived_at_pickup', 'cancelled'),
    ('order.cancelled', 'en_route_to_stop', 'cancelled'),
    ('order.cancelled', 'arrived_at_stop', 'cancelled'),
    ('order.cancelled', 'en_route_to_dropoff', 'cancelled'),
    ('order.cancelled', 'arrived_at_dropoff', 'cancelled'),
    ('order.cancelled', 'returning', 'cancelled');

INSERT INTO transitions (type, from_state, to_state) VALUES
    ('order.edited', 'scheduled', 'scheduled'),
    ('order.edited', 'searching', 'searching'),
    ('order.edited', 'offered', 'offered'),
    ('order.edited', 'en_route_to_pickup', 'en_route_to_pickup'),
    ('order.edited', 'arrived_at_pickup', 'arrived_at_pickup'),
    ('order.edited', 'en_route_to_stop', 'en_route_to_stop'),
    ('order.edited', 'arrived_at_stop', 'arrived_at_stop'),
    ('order.edited', 'en_route_to_dropoff', 'en_route_to_dropoff'),
    ('order.edited', 'arrived_at_dropoff', 'arrived_at_dropoff'),
    ('order.edited', 'returning', 'returning'),
    ('order.reassigned', 'en_route_to_stop', 'en_route_to_stop'),
    ('order.reassigned', 'arrived_at_stop', 'arrived_at_stop'),
    ('order.reassigned', 'en_route_to_dropoff', 'en_route_to_dropoff'),
    ('order.reassigned', 'arrived_at_dropoff', 'arrived_at_dropoff'),
    ('order.reassigned', 'returning', 'returning');

-- A driver's duty as it stands, and its claim. A row with version 0 was claimed and never on duty.
CREATE TABLE drivers (
    id            TEXT    NOT NULL PRIMARY KEY,
    version       INTEGER NOT NULL DEFAULT 0 CHECK (version >= 0),
    market        TEXT REFERENCES markets (id),
    online        INTEGER NOT NULL DEFAULT 0 CHECK (online IN (0, 1)),
    vehicle_class TEXT    NOT NULL DEFAULT '',
    capacity      INTEGER NOT NULL DEFAULT 1 CHECK (capacity >= 1),
    tags          TEXT, -- JSON array of strings
    since         INTEGER,
    claim_market  TEXT,
    claimed_at    INTEGER, -- wall
    CHECK ((version = 0) = (market IS NULL)),
    CHECK (online = 0 OR version > 0),
    CHECK ((claim_market IS NULL) = (claimed_at IS NULL)),
    CHECK (online = 0 OR claim_market IS NULL)
) STRICT;

CREATE INDEX drivers_online ON drivers (market, id) WHERE online = 1;

-- An order as it stands. closed_at is when it was closed. That state is one of the words follows from the
-- triggers below. The checks say OR where IN would read better: SQLite builds a table for each list of IN,
-- anew for every row, which cost more than all the rest of a commit.
CREATE TABLE orders (
    id            TEXT    NOT NULL PRIMARY KEY,
    market        TEXT    NOT NULL REFERENCES markets (id),
    kind          TEXT    NOT NULL CHECK (kind IN ('ride', 'delivery')),
    state         TEXT    NOT NULL,
    version       INTEGER NOT NULL CHECK (version >= 1),
    rider_id      TEXT    NOT NULL,
    driver_id     TEXT,
    vehicle_class TEXT    NOT NULL,
    next_stop     INTEGER NOT NULL CHECK (next_stop >= 0),
    requested_at  INTEGER NOT NULL,
    pickup_at     INTEGER,
    pickup_eta    INTEGER,
    dropoff_eta   INTEGER,
    cancelled_by  TEXT CHECK (cancelled_by = 'passenger' OR cancelled_by = 'driver' OR cancelled_by = 'provider'),
    reason        TEXT,
    search_since  INTEGER,
    changed_at    INTEGER,
    bars          TEXT, -- JSON, store.EncodeBars
    priority      INTEGER NOT NULL,
    closed_at     INTEGER,
    CHECK ((closed_at IS NOT NULL)
        = (state = 'completed' OR state = 'cancelled' OR state = 'returned' OR state = 'no_driver')),
    CHECK ((cancelled_by IS NOT NULL) = (state = 'cancelled')),
    -- What looks for a driver has none, all else has one; only what was cancelled may or may not.
    CHECK (state = 'cancelled' OR (driver_id IS NULL)
        = (state = 'scheduled' OR state = 'searching' OR state = 'offered' OR state = 'no_driver'))
) STRICT;

CREATE INDEX orders_market ON orders (market, id);
CREATE INDEX orders_open ON orders (market, id) WHERE closed_at IS NULL;
CREATE INDEX orders_rider ON orders (rider_id, id);
CREATE INDEX orders_rider_closed ON orders (rider_id, closed_at);
CREATE INDEX orders_driver ON orders (driver_id, id) WHERE driver_id IS NOT NULL;
CREATE INDEX orders_driver_closed ON orders (driver_id, closed_at) WHERE driver_id IS NOT NULL;

-- No driver more than its capacity. A unique index could say it for a capacity of 1 only, so it is said
-- where an order gets its driver, for every capacity; the one writer makes the count exact.
-- +goose StatementBegin
CREATE TRIGGER orders_capacity BEFORE UPDATE OF driver_id ON orders
WHEN NEW.closed_at IS NULL AND NEW.driver_id IS NOT NULL AND NEW.driver_id IS NOT OLD.driver_id
BEGIN
    SELECT RAISE(ABORT, 'driver is at its capacity')
    WHERE (SELECT count(*) FROM orders WHERE driver_id = NEW.driver_id AND closed_at IS NULL)
        >= coalesce((SELECT capacity FROM drivers WHERE id = NEW.driver_id), 1);
END;
-- +goose StatementEnd

-- The places of an order, personal and nowhere else in the history: erasing a row erases them.
CREATE TABLE order_places (
    order_id TEXT NOT NULL PRIMARY KEY REFERENCES orders (id),
    stops    TEXT NOT NULL -- JSON, store.EncodeStops
) STRICT;

-- The history, and the outbox of the relay: one row a transition of an order or a duty, never changed.
CREATE TABLE events (
    market     TEXT    NOT NULL REFERENCES markets (id),
    seq        INTEGER NOT NULL CHECK (seq >= 1),
    subject    TEXT    NOT NULL CHECK (subject IN ('order', 'driver')),
    subject_id TEXT    NOT NULL,
    version    INTEGER NOT NULL CHECK (version >= 1),
    type       TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    by_role    TEXT    NOT NULL,
    by_sub     TEXT,
    from_state TEXT, -- '' for the creation, NULL for a duty
    to_state   TEXT, -- NULL for a duty
    driver_id  TEXT,
    offer_id   TEXT,
    reason     TEXT,
    doc        TEXT    NOT NULL, -- JSON, store.EncodeOrder (without places) or store.EncodeDuty
    UNIQUE (market, seq),
    UNIQUE (subject_id, subject, version),
    FOREIGN KEY (type, from_state, to_state) REFERENCES transitions (type, from_state, to_state),
    CHECK ((subject = 'order') = (from_state IS NOT NULL)),
    CHECK ((subject = 'order') = (to_state IS NOT NULL)),
    CHECK ((subject = 'driver') = (type IN ('driver.online', 'driver.offline'))),
    CHECK (subject = 'driver' OR (version = 1) = (from_state = ''))
) STRICT;

-- A transition follows the one before it: no version is skipped, and an order leaves the state it is in.
-- +goose StatementBegin
CREATE TRIGGER events_follow BEFORE INSERT ON events
WHEN NEW.version > 1
BEGIN
    SELECT RAISE(ABORT, 'event does not follow the one before it')
    WHERE NOT EXISTS (SELECT 1 FROM events
        WHERE subject_id = NEW.subject_id AND subject = NEW.subject AND version = NEW.version - 1
            AND to_state IS NEW.from_state);
END;
-- +goose StatementEnd

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

-- An order's row is what its event says, and its driver changes for another by order.reassigned alone: no
-- order has two drivers.
-- +goose StatementBegin
CREATE TRIGGER orders_begin_by_event BEFORE INSERT ON orders
BEGIN
    SELECT RAISE(ABORT, 'order begins without its event')
    WHERE NOT EXISTS (SELECT 1 FROM events
        WHERE subject_id = NEW.id AND subject = 'order' AND version = NEW.version AND version = 1
            AND to_state = NEW.state);
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

-- Offers, live and for a day those that ended.
CREATE TABLE offers (
    id         TEXT    NOT NULL PRIMARY KEY,
    order_id   TEXT    NOT NULL REFERENCES orders (id),
    market     TEXT    NOT NULL REFERENCES markets (id),
    driver_id  TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state = 'live' OR state = 'accepted'
        OR state = 'declined' OR state = 'expired' OR state = 'withdrawn'),
    pickup_ns  INTEGER NOT NULL,
    trip_ns    INTEGER NOT NULL,
    source     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at   INTEGER,
    ended_wall INTEGER, -- wall
    reason     TEXT,
    CHECK ((state = 'live') = (ended_at IS NULL)),
    CHECK ((state = 'live') = (ended_wall IS NULL))
) STRICT;

CREATE UNIQUE INDEX offers_one_live ON offers (driver_id) WHERE state = 'live';
CREATE INDEX offers_live ON offers (market, id) WHERE state = 'live';
CREATE INDEX offers_ended ON offers (ended_wall) WHERE state <> 'live';

-- Answers kept under idempotency keys, for a day.
CREATE TABLE answers (
    market   TEXT NOT NULL REFERENCES markets (id),
    sub      TEXT NOT NULL,
    key      TEXT NOT NULL,
    digest   BLOB NOT NULL CHECK (length(digest) = 32),
    code     TEXT,
    detail   TEXT,
    field    TEXT,
    order_id TEXT,
    version  INTEGER NOT NULL,
    at       INTEGER NOT NULL, -- wall
    PRIMARY KEY (sub, key, market) -- a key is looked up by (sub, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX answers_at ON answers (at);

-- The anchor of the market clock: one row.
CREATE TABLE clock (
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    wall   INTEGER NOT NULL, -- wall
    market INTEGER NOT NULL,
    scale  REAL    NOT NULL CHECK (scale > 0)
) STRICT;

-- +goose Down

DROP TABLE clock;
DROP TABLE answers;
DROP TABLE offers;
DROP TABLE events;
DROP TABLE order_places;
DROP TABLE orders;
DROP TABLE drivers;
DROP TABLE transitions;
DROP TABLE markets;
