-- The journal: what happened. Instants are integer microseconds since 1970 UTC, of the market clock unless
-- a comment says wall; NULL is the zero instant. Ids, states and types are the words of docs/contract.md, sorted
-- byte by byte whatever the database's collation. The tables repeat the law of dispatch: what a defect of the code
-- would write is refused here, as an integrity constraint violation (SQLSTATE class 23).
--
-- A commit writes its rows by the hundred in few statements, so the law is judged once a statement over all its
-- rows where it can be: a foreign key, or a trigger for each row, costs more than the row itself. What is looked up
-- for each row is a subquery that gives a value, and not EXISTS or a join: the planner, who decides while the tables
-- are empty, would read them from end to end and stay with that.

-- +goose Up

-- The nodes that live: each renews its row once a second, on the database's clock.
CREATE TABLE nodes (
    id      text        COLLATE "C" NOT NULL PRIMARY KEY,
    expires timestamptz NOT NULL
);

-- A market: its leader and the leader's epoch, its commits and events counted, the relay's cursor. With batch
-- last_epoch, that of the last commit, tells whether a commit is in whose outcome was not told.
CREATE TABLE markets (
    id         text   COLLATE "C" NOT NULL PRIMARY KEY,
    node       text   COLLATE "C", -- led by it while its row in nodes has not expired
    epoch      bigint NOT NULL CHECK (epoch >= 1),
    batch      bigint NOT NULL DEFAULT 0 CHECK (batch >= 0),
    last_epoch bigint NOT NULL DEFAULT 0 CHECK (last_epoch >= 0 AND last_epoch <= epoch),
    seq        bigint NOT NULL DEFAULT 0 CHECK (seq >= 0),
    at         bigint,
    cursor     bigint NOT NULL DEFAULT 0 CHECK (cursor >= 0 AND cursor <= seq)
);

-- The legal transitions: dispatch.Transitions() with the type of their event, and the events that keep the
-- state: any open order may be edited, one picked up may be reassigned.
CREATE TABLE transitions (
    type       text COLLATE "C" NOT NULL,
    from_state text COLLATE "C" NOT NULL,
    to_state   text COLLATE "C" NOT NULL,
    PRIMARY KEY (type, from_state, to_state)
);

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
    id            text    COLLATE "C" NOT NULL PRIMARY KEY,
    version       bigint  NOT NULL DEFAULT 0 CHECK (version >= 0),
    market        text    COLLATE "C" REFERENCES markets (id),
    online        boolean NOT NULL DEFAULT false,
    vehicle_class text    NOT NULL DEFAULT '',
    capacity      bigint  NOT NULL DEFAULT 1 CHECK (capacity >= 1),
    tags          text, -- JSON array of strings
    since         bigint,
    claim_market  text    COLLATE "C",
    claimed_at    bigint, -- wall
    CHECK ((version = 0) = (market IS NULL)),
    CHECK (NOT online OR version > 0),
    CHECK ((claim_market IS NULL) = (claimed_at IS NULL)),
    CHECK (NOT online OR claim_market IS NULL)
);

CREATE INDEX drivers_online ON drivers (market, id) WHERE online;

-- An order as it stands. closed_at is when it was closed. That state is one of the words, and market a known one,
-- follows from the triggers below. Half of an order's steps change no indexed column: room in its page lets them
-- leave the indexes alone.
CREATE TABLE orders (
    id            text   COLLATE "C" NOT NULL PRIMARY KEY,
    market        text   COLLATE "C" NOT NULL,
    kind          text   NOT NULL CHECK (kind = 'ride' OR kind = 'delivery'),
    state         text   COLLATE "C" NOT NULL,
    version       bigint NOT NULL CHECK (version >= 1),
    rider_id      text   COLLATE "C" NOT NULL,
    driver_id     text   COLLATE "C",
    vehicle_class text   NOT NULL,
    next_stop     bigint NOT NULL CHECK (next_stop >= 0),
    requested_at  bigint NOT NULL,
    pickup_at     bigint,
    pickup_eta    bigint,
    dropoff_eta   bigint,
    cancelled_by  text CHECK (cancelled_by = 'passenger' OR cancelled_by = 'driver' OR cancelled_by = 'provider'),
    reason        text,
    search_since  bigint,
    changed_at    bigint,
    bars          text, -- JSON, store.EncodeBars
    priority      bigint NOT NULL,
    closed_at     bigint,
    CHECK ((closed_at IS NOT NULL)
        = (state = 'completed' OR state = 'cancelled' OR state = 'returned' OR state = 'no_driver')),
    CHECK ((cancelled_by IS NOT NULL) = (state = 'cancelled')),
    -- What looks for a driver has none, all else has one; only what was cancelled may or may not.
    CHECK (state = 'cancelled' OR (driver_id IS NULL)
        = (state = 'scheduled' OR state = 'searching' OR state = 'offered' OR state = 'no_driver'))
) WITH (fillfactor = 80);

CREATE INDEX orders_market ON orders (market, id);
CREATE INDEX orders_open ON orders (market, id) WHERE closed_at IS NULL;
CREATE INDEX orders_rider ON orders (rider_id, id);
CREATE INDEX orders_rider_closed ON orders (rider_id, closed_at);
CREATE INDEX orders_driver ON orders (driver_id, id) WHERE driver_id IS NOT NULL;
CREATE INDEX orders_driver_closed ON orders (driver_id, closed_at) WHERE driver_id IS NOT NULL;
-- Who works on it now. An expression, so that no plan made in ignorance takes another index for it.
CREATE INDEX orders_working ON orders ((CASE WHEN closed_at IS NULL THEN driver_id END))
    WHERE closed_at IS NULL AND driver_id IS NOT NULL;

-- The places of an order, personal and nowhere else in the history: erasing a row erases them.
CREATE TABLE order_places (
    order_id text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES orders (id),
    stops    text COLLATE "C" NOT NULL -- JSON, store.EncodeStops
);

-- The history, and the outbox of the relay: one row a transition of an order or a duty, never changed.
CREATE TABLE events (
    market     text   COLLATE "C" NOT NULL,
    seq        bigint NOT NULL CHECK (seq >= 1),
    version    bigint NOT NULL CHECK (version >= 1),
    at         bigint NOT NULL,
    subject    text   COLLATE "C" NOT NULL CHECK (subject = 'order' OR subject = 'driver'),
    subject_id text   COLLATE "C" NOT NULL,
    type       text   COLLATE "C" NOT NULL,
    by_role    text   NOT NULL,
    by_sub     text,
    from_state text   COLLATE "C", -- '' for the creation, NULL for a duty
    to_state   text   COLLATE "C", -- NULL for a duty
    driver_id  text   COLLATE "C",
    offer_id   text,
    reason     text,
    doc        text   NOT NULL, -- JSON, store.EncodeOrder (without places) or store.EncodeDuty
    PRIMARY KEY (market, seq),
    UNIQUE (subject_id, subject, version),
    CHECK ((subject = 'order') = (from_state IS NOT NULL)),
    CHECK ((subject = 'order') = (to_state IS NOT NULL)),
    CHECK ((subject = 'driver') = (type = 'driver.online' OR type = 'driver.offline')),
    CHECK (subject = 'driver' OR (version = 1) = (from_state = ''))
);

-- Offers, live and for a day those that ended.
CREATE TABLE offers (
    id         text   COLLATE "C" NOT NULL PRIMARY KEY,
    order_id   text   COLLATE "C" NOT NULL REFERENCES orders (id),
    market     text   COLLATE "C" NOT NULL REFERENCES markets (id),
    driver_id  text   COLLATE "C" NOT NULL,
    state      text   COLLATE "C" NOT NULL CHECK (state = 'live' OR state = 'accepted'
        OR state = 'declined' OR state = 'expired' OR state = 'withdrawn'),
    pickup_ns  bigint NOT NULL,
    trip_ns    bigint NOT NULL,
    source     text   NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    ended_at   bigint,
    ended_wall bigint, -- wall
    reason     text,
    CHECK ((state = 'live') = (ended_at IS NULL)),
    CHECK ((state = 'live') = (ended_wall IS NULL))
);

CREATE UNIQUE INDEX offers_one_live ON offers (driver_id) WHERE state = 'live';
CREATE INDEX offers_live ON offers (market, id) WHERE state = 'live';
CREATE INDEX offers_ended ON offers (ended_wall) WHERE state <> 'live';

-- Answers kept under idempotency keys, for a day.
CREATE TABLE answers (
    sub      text   COLLATE "C" NOT NULL,
    key      text   COLLATE "C" NOT NULL,
    market   text   COLLATE "C" NOT NULL,
    digest   bytea  NOT NULL CHECK (length(digest) = 32),
    version  bigint NOT NULL,
    at       bigint NOT NULL, -- wall
    code     text,
    detail   text,
    field    text,
    order_id text,
    PRIMARY KEY (sub, key, market) -- a key is looked up by (sub, key)
);

CREATE INDEX answers_at ON answers (at);

-- The anchor of the market clock: one row.
CREATE TABLE clock (
    id     integer          NOT NULL PRIMARY KEY CHECK (id = 1),
    wall   bigint           NOT NULL, -- wall
    market bigint           NOT NULL,
    scale  double precision NOT NULL CHECK (scale > 0)
);

-- The fence: a commit's first statement. It finds the market's row at (epoch, batch) and sets it, and waits for
-- whoever does the same just now. Its own SQLSTATE, HF001, tells a deposed leader from a defect.
-- +goose StatementBegin
CREATE FUNCTION journal_fence(m text, e bigint, b bigint, added bigint, last bigint, told bigint) RETURNS void AS $$
DECLARE
    reached bigint;
BEGIN
    UPDATE markets SET batch = b + 1, last_epoch = e, seq = seq + added, at = greatest(at, told)
    WHERE id = m AND epoch = e AND batch = b
    RETURNING seq INTO reached;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'market % is not at epoch %, batch %', m, e, b USING ERRCODE = 'HF001';
    END IF;
    IF added > 0 AND reached <> last THEN
        RAISE EXCEPTION 'the last event is %, should be %', last, reached USING ERRCODE = '23000';
    END IF;
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

-- What a commit's statement has changed must be all that it was given.
-- +goose StatementBegin
CREATE FUNCTION journal_all(what text, changed bigint, given bigint) RETURNS void AS $$
BEGIN
    IF changed <> given THEN
        RAISE EXCEPTION '% of % % do not follow what is stored', given - changed, given, what USING ERRCODE = '23000';
    END IF;
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

-- Refuses whatever fires it, with the sentence that the trigger gives.
-- +goose StatementBegin
CREATE FUNCTION journal_refuse() RETURNS trigger AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = '23000';
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

CREATE TRIGGER events_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION journal_refuse('the history is append-only');

-- An event is counted by its market, of a legal transition, and follows the one before it: no version is skipped,
-- and an order leaves the state it is in.
-- +goose StatementBegin
CREATE FUNCTION events_follow() RETURNS trigger AS $$
DECLARE
    odd record;
BEGIN
    SELECT n.market, n.seq INTO odd
    FROM (SELECT market, max(seq) AS seq FROM added GROUP BY market) n
    WHERE (SELECT m.seq >= n.seq FROM markets m WHERE m.id = n.market) IS NOT TRUE;
    IF FOUND THEN
        RAISE EXCEPTION 'event % of market % is not counted there', odd.seq, odd.market USING ERRCODE = '23503';
    END IF;
    SELECT n.seq, n.type, n.from_state, n.to_state INTO odd FROM added n
    WHERE n.subject = 'order' AND (SELECT true FROM transitions t
        WHERE t.type = n.type AND t.from_state = n.from_state AND t.to_state = n.to_state) IS NULL;
    IF FOUND THEN
        RAISE EXCEPTION 'event % is no legal transition: % from "%" to "%"', odd.seq, odd.type, odd.from_state, odd.to_state
            USING ERRCODE = '23503';
    END IF;
    SELECT n.seq, n.subject_id, n.version INTO odd FROM added n
    WHERE n.version > 1 AND (SELECT p.to_state IS NOT DISTINCT FROM n.from_state FROM events p
        WHERE p.subject_id = n.subject_id AND p.subject = n.subject AND p.version = n.version - 1) IS NOT TRUE;
    IF FOUND THEN
        RAISE EXCEPTION 'event %, version %, does not follow the one before it', odd.seq, odd.version
            USING ERRCODE = '23000';
    END IF;
    RETURN NULL;
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

CREATE TRIGGER events_follow AFTER INSERT ON events REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION events_follow();

-- An order's row is what its event says.
-- +goose StatementBegin
CREATE FUNCTION orders_by_event() RETURNS trigger AS $$
DECLARE
    odd record;
BEGIN
    SELECT n.id, n.version INTO odd FROM stands n
    WHERE (SELECT e.to_state = n.state AND e.market = n.market FROM events e
        WHERE e.subject_id = n.id AND e.subject = 'order' AND e.version = n.version) IS NOT TRUE;
    IF FOUND THEN
        RAISE EXCEPTION 'order % has no event for version %', odd.id, odd.version USING ERRCODE = '23000';
    END IF;
    RETURN NULL;
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

CREATE TRIGGER orders_begin_by_event AFTER INSERT ON orders REFERENCING NEW TABLE AS stands
    FOR EACH STATEMENT EXECUTE FUNCTION orders_by_event();
CREATE TRIGGER orders_change_by_event AFTER UPDATE ON orders REFERENCING NEW TABLE AS stands
    FOR EACH STATEMENT EXECUTE FUNCTION orders_by_event();

-- The conditions of these are judged in place, which costs next to nothing; the functions run when they hold.
CREATE TRIGGER orders_begin AFTER INSERT ON orders FOR EACH ROW
    WHEN (NEW.version <> 1)
    EXECUTE FUNCTION journal_refuse('an order begins at version 1');
CREATE TRIGGER orders_step AFTER UPDATE ON orders FOR EACH ROW
    WHEN (NEW.version <> OLD.version + 1 OR NEW.id <> OLD.id OR NEW.market <> OLD.market OR NEW.kind <> OLD.kind
        OR NEW.rider_id <> OLD.rider_id OR NEW.requested_at <> OLD.requested_at)
    EXECUTE FUNCTION journal_refuse('an order steps from version to version, and what it is of never changes');

-- An order's driver changes for another by order.reassigned alone: no order has two drivers.
-- +goose StatementBegin
CREATE FUNCTION orders_keep_driver() RETURNS trigger AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM events e WHERE e.subject_id = NEW.id AND e.subject = 'order'
        AND e.version = NEW.version AND e.type = 'order.reassigned')
    THEN
        RAISE EXCEPTION 'order % has driver % and no event gives it to %', NEW.id, OLD.driver_id, NEW.driver_id
            USING ERRCODE = '23000';
    END IF;
    RETURN NULL;
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

CREATE TRIGGER orders_keep_driver AFTER UPDATE ON orders FOR EACH ROW
    WHEN (NEW.driver_id <> OLD.driver_id)
    EXECUTE FUNCTION orders_keep_driver();

-- No driver more than its capacity. A unique index could say it for a capacity of 1 only, so it is counted where
-- an order gets its driver. Whoever counts for the same driver at the same time, in another market, waits: the
-- count is of what is committed then.
-- +goose StatementBegin
CREATE FUNCTION orders_capacity() RETURNS trigger AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(NEW.driver_id, 7001));
    IF (SELECT count(*) FROM orders WHERE CASE WHEN closed_at IS NULL THEN driver_id END = NEW.driver_id
            AND closed_at IS NULL AND driver_id IS NOT NULL)
        > coalesce((SELECT capacity FROM drivers WHERE id = NEW.driver_id), 1)
    THEN
        RAISE EXCEPTION 'a driver is at its capacity' USING ERRCODE = '23000';
    END IF;
    RETURN NULL;
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

CREATE TRIGGER orders_capacity AFTER UPDATE ON orders FOR EACH ROW
    WHEN (NEW.closed_at IS NULL AND NEW.driver_id IS DISTINCT FROM OLD.driver_id AND NEW.driver_id IS NOT NULL)
    EXECUTE FUNCTION orders_capacity();

-- +goose Down

DROP TABLE clock, answers, offers, events, order_places, orders, drivers, transitions, markets, nodes;
DROP FUNCTION journal_fence, journal_all, journal_refuse, events_follow, orders_by_event, orders_keep_driver,
    orders_capacity;
