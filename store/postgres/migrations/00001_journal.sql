-- The journal: what happened. Instants are integer microseconds since 1970 UTC, of the market clock unless
-- a comment says wall; NULL is the zero instant. Ids, states and types are the words of docs/contract.md, sorted
-- byte by byte whatever the database's collation. The tables repeat the law of dispatch: what a defect of the code
-- would write is refused here, as an integrity constraint violation (SQLSTATE class 23).
--
-- It is judged twice. A commit of the journal writes an event and its order's row from one source, finds the row as the
-- event says it was left, and counts what it found, all in the statement that writes. Whatever else writes is judged
-- row by row, by triggers, which take five times as long as the rows: that is why a commit, once its fence has set
-- hexfleet.commit for the transaction, is not judged by them too. Postgres also reads a CHECK anew for each statement;
-- the tables of every commit have few.
--
-- What is looked up for each row is a subquery that gives a value, and not EXISTS or a join: the planner, who decides
-- while the tables are empty, would read them from end to end and stay with that.

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
    epoch      bigint NOT NULL,
    batch      bigint NOT NULL DEFAULT 0,
    last_epoch bigint NOT NULL DEFAULT 0,
    seq        bigint NOT NULL DEFAULT 0,
    at         bigint,
    cursor     bigint NOT NULL DEFAULT 0,
    CHECK (epoch >= 1 AND batch >= 0 AND last_epoch BETWEEN 0 AND epoch AND cursor BETWEEN 0 AND seq)
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

-- An order as it stands. closed_at is when it was closed. What its columns may hold is in order_fits below. Half
-- of an order's steps change no indexed column: room in its page lets them leave the indexes alone.
CREATE TABLE orders (
    id            text   COLLATE "C" NOT NULL PRIMARY KEY,
    market        text   COLLATE "C" NOT NULL,
    kind          text   NOT NULL,
    state         text   COLLATE "C" NOT NULL,
    version       bigint NOT NULL,
    rider_id      text   COLLATE "C" NOT NULL,
    driver_id     text   COLLATE "C",
    vehicle_class text   NOT NULL,
    next_stop     bigint NOT NULL,
    requested_at  bigint NOT NULL,
    pickup_at     bigint,
    pickup_eta    bigint,
    dropoff_eta   bigint,
    cancelled_by  text,
    reason        text,
    search_since  bigint,
    changed_at    bigint,
    bars          text, -- JSON, store.EncodeBars
    priority      bigint NOT NULL,
    closed_at     bigint
) WITH (fillfactor = 60);

CREATE INDEX orders_market ON orders (market, id);
CREATE INDEX orders_open ON orders (market, id) WHERE closed_at IS NULL;
CREATE INDEX orders_rider ON orders (rider_id, id);
CREATE INDEX orders_rider_closed ON orders (rider_id, closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX orders_driver ON orders (driver_id, id) WHERE driver_id IS NOT NULL;
CREATE INDEX orders_driver_closed ON orders (driver_id, closed_at) WHERE closed_at IS NOT NULL;
-- Who works on it now. An expression, so that no plan made in ignorance takes another index for it.
CREATE INDEX orders_working ON orders ((CASE WHEN closed_at IS NULL THEN driver_id END))
    WHERE closed_at IS NULL AND driver_id IS NOT NULL;

-- The places of an order, personal and nowhere else in the history: erasing a row erases them.
CREATE TABLE order_places (
    order_id text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES orders (id),
    stops    text COLLATE "C" NOT NULL -- JSON, store.EncodeStops
);

-- The history, and the outbox of the relay: one row a transition of an order or a duty, never changed. What its
-- columns may hold is in events_follow below.
CREATE TABLE events (
    market     text   COLLATE "C" NOT NULL,
    seq        bigint NOT NULL,
    version    bigint NOT NULL,
    at         bigint NOT NULL,
    subject    text   COLLATE "C" NOT NULL, -- order or driver
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
    UNIQUE (subject_id, subject, version)
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

-- What a commit's fence raises when the market's row is not at (epoch, batch). Its own SQLSTATE, HF001, tells a
-- deposed leader from a defect.
-- +goose StatementBegin
CREATE FUNCTION journal_fenced(market text, epoch bigint, batch bigint) RETURNS void AS $$
BEGIN
    RAISE EXCEPTION 'market % is not at epoch %, batch %', market, epoch, batch USING ERRCODE = 'HF001';
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

-- What a commit's statement has changed must be all that it was given.
-- +goose StatementBegin
CREATE FUNCTION journal_all(what text, changed bigint, given bigint) RETURNS void AS $$
BEGIN
    IF changed <> given THEN
        RAISE EXCEPTION '% of % % are against the law, or do not follow what is stored', given - changed, given, what
            USING ERRCODE = '23000';
    END IF;
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

-- No driver has more than its capacity. A unique index could say so for a capacity of 1 only; it is counted once an
-- order has got its driver. Whoever counts for the same driver at the same time, in another market, waits: the count is
-- of what is committed then.
-- +goose StatementBegin
CREATE FUNCTION journal_capacity(assigned text[]) RETURNS void AS $$
DECLARE
    full_one text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(a.id, 7001))
    FROM (SELECT DISTINCT id FROM unnest(assigned) AS u (id) ORDER BY id) a;
    SELECT a.id INTO full_one FROM unnest(assigned) AS a (id)
    WHERE (SELECT count(*) FROM orders o WHERE CASE WHEN o.closed_at IS NULL THEN o.driver_id END = a.id
            AND o.closed_at IS NULL AND o.driver_id IS NOT NULL)
        > coalesce((SELECT d.capacity FROM drivers d WHERE d.id = a.id), 1);
    IF FOUND THEN
        RAISE EXCEPTION 'driver % has more orders than its capacity', full_one USING ERRCODE = '23000';
    END IF;
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

-- Whether an order is as orders in its state are: closed with its instant, cancelled by somebody, with a driver unless
-- it looks for one (what was cancelled may or may not have had one). That its state is one of the words follows from
-- its event. Written so that the planner can put it in place of its call.
-- +goose StatementBegin
CREATE FUNCTION order_fits(kind text, state text, driver_id text, next_stop bigint, cancelled_by text, closed_at bigint)
RETURNS boolean AS $$
    SELECT (kind = 'ride' OR kind = 'delivery') AND next_stop >= 0
        AND (closed_at IS NOT NULL)
            = (state = 'completed' OR state = 'cancelled' OR state = 'returned' OR state = 'no_driver')
        AND CASE WHEN state = 'cancelled'
            THEN cancelled_by IS NOT NULL AND (cancelled_by = 'passenger' OR cancelled_by = 'driver' OR cancelled_by = 'provider')
            ELSE cancelled_by IS NULL AND (driver_id IS NULL)
                = (state = 'scheduled' OR state = 'searching' OR state = 'offered' OR state = 'no_driver')
            END
$$ LANGUAGE sql IMMUTABLE;
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

-- An event is of an order or of a duty, has the columns of its kind and is counted by its market; an order's is a legal
-- transition; and it follows the one before it: no version is skipped, and an order leaves the state it is in.
-- +goose StatementBegin
CREATE FUNCTION events_follow() RETURNS trigger AS $$
BEGIN
    IF (NEW.version < 1 OR NEW.seq < 1
        OR (SELECT NEW.seq <= m.seq FROM markets m WHERE m.id = NEW.market) IS NOT TRUE
        OR CASE NEW.subject
            WHEN 'order' THEN (NEW.version = 1) = (NEW.from_state = '') AND (SELECT true FROM transitions t
                WHERE t.type = NEW.type AND t.from_state = NEW.from_state AND t.to_state = NEW.to_state)
            WHEN 'driver' THEN (NEW.type = 'driver.online' OR NEW.type = 'driver.offline')
                AND NEW.from_state IS NULL AND NEW.to_state IS NULL
        END IS NOT TRUE
        OR NEW.version > 1 AND (SELECT p.to_state IS NOT DISTINCT FROM NEW.from_state FROM events p
            WHERE p.subject_id = NEW.subject_id AND p.subject = NEW.subject AND p.version = NEW.version - 1) IS NOT TRUE)
    THEN
        RAISE EXCEPTION 'event % of market %, version % of % %, % from "%" to "%", is no legal transition, does not follow'
            ' the one before it, or is not counted by its market', NEW.seq, NEW.market, NEW.version, NEW.subject,
            NEW.subject_id, NEW.type, NEW.from_state, NEW.to_state USING ERRCODE = '23000';
    END IF;
    RETURN NULL;
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

CREATE TRIGGER events_follow AFTER INSERT ON events FOR EACH ROW
    WHEN (current_setting('hexfleet.commit', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION events_follow();

-- An order's row is what its event says, which makes its state one of the words and its market a known one.
-- +goose StatementBegin
CREATE FUNCTION orders_by_event() RETURNS trigger AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.version <> 1
        OR order_fits(NEW.kind, NEW.state, NEW.driver_id, NEW.next_stop, NEW.cancelled_by, NEW.closed_at) IS NOT TRUE
        OR (SELECT e.to_state = NEW.state AND e.market = NEW.market FROM events e
            WHERE e.subject_id = NEW.id AND e.subject = 'order' AND e.version = NEW.version) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'order % is not what its event says, or not as an order in its state is', NEW.id
            USING ERRCODE = '23000';
    END IF;
    IF NEW.closed_at IS NULL AND NEW.driver_id IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.driver_id IS DISTINCT FROM OLD.driver_id)
    THEN
        PERFORM journal_capacity(ARRAY[NEW.driver_id]);
    END IF;
    RETURN NULL;
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

CREATE TRIGGER orders_by_event AFTER INSERT OR UPDATE ON orders FOR EACH ROW
    WHEN (current_setting('hexfleet.commit', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION orders_by_event();

-- The condition is judged in place, which costs next to nothing; the function runs when it holds.
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

-- +goose Down

DROP TABLE clock, answers, offers, events, order_places, orders, drivers, transitions, markets, nodes;
DROP FUNCTION journal_fenced, journal_all, journal_capacity, journal_refuse, order_fits, events_follow, orders_by_event,
    orders_keep_driver;
