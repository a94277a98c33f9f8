-- What people need of their data: lists that an index serves, retention, erasure, samples of trips; and what was
-- learnt.

-- +goose Up

-- Lists by state: the open orders have an index, these are the closed ones, written once an order closes. The state
-- itself must not be indexed: then no step of an order could leave the indexes alone.
ALTER TABLE orders ADD COLUMN closed_state text COLLATE "C"
    GENERATED ALWAYS AS (CASE WHEN closed_at IS NOT NULL THEN state END) STORED;
CREATE INDEX orders_closed_state ON orders (market, closed_state, id) WHERE closed_state IS NOT NULL;
-- For retention.
CREATE INDEX orders_closed_at ON orders (closed_at, id) WHERE closed_at IS NOT NULL;
-- What an order's deletion asks for.
CREATE INDEX offers_order ON offers (order_id);

-- How far retention has come: what was closed before this market instant has been seen to.
CREATE TABLE retention (
    what text   NOT NULL PRIMARY KEY CHECK (what = 'places'),
    done bigint NOT NULL
);

-- Documents that are learnt, for each market.
CREATE TABLE learnt (
    market text  COLLATE "C" NOT NULL,
    name   text  COLLATE "C" NOT NULL,
    doc    bytea NOT NULL,
    PRIMARY KEY (market, name)
);

-- Points of trips: a partition a day of market time, which is dropped whole. The key serves the learner, which reads
-- a market and a span.
CREATE TABLE samples (
    market      text   COLLATE "C" NOT NULL,
    at          bigint NOT NULL,
    order_id    text   COLLATE "C" NOT NULL,
    driver_id   text   COLLATE "C" NOT NULL,
    state       text   NOT NULL,
    lat         double precision NOT NULL,
    lng         double precision NOT NULL,
    speed_mps   double precision, -- NULL when not told
    heading_deg double precision, -- NULL when not told
    PRIMARY KEY (market, at, order_id)
) PARTITION BY RANGE (at);
CREATE INDEX samples_order ON samples (order_id, at);
CREATE INDEX samples_driver ON samples (driver_id, at, order_id);

-- Erasures, by wall time: begun, rewritten here, done everywhere. The erased id stands here until then, no longer.
CREATE TABLE erasures (
    id           text   COLLATE "C" NOT NULL PRIMARY KEY,
    role         text   NOT NULL CHECK (role = 'rider' OR role = 'driver'),
    sub          text   COLLATE "C",
    pseudonym    text   COLLATE "C" NOT NULL UNIQUE CHECK (starts_with(pseudonym, 'erased-')),
    requested_at bigint NOT NULL,
    rewritten_at bigint,
    done_at      bigint,
    CHECK ((sub IS NULL) = (done_at IS NOT NULL)),
    CHECK (done_at IS NULL OR rewritten_at IS NOT NULL)
);

-- The orders and duties of which the bus may have events that name the erased; seq is that of the last of them.
CREATE TABLE erasure_subjects (
    erasure    text   COLLATE "C" NOT NULL REFERENCES erasures (id),
    market     text   COLLATE "C" NOT NULL REFERENCES markets (id),
    subject    text   NOT NULL CHECK (subject = 'order' OR subject = 'driver'),
    subject_id text   COLLATE "C" NOT NULL,
    seq        bigint NOT NULL,
    PRIMARY KEY (erasure, market, subject, subject_id)
);

-- The permit to change the history: it names what may change, no other transaction sees it, and none that leaves it
-- behind can be committed, because what it refers to is never there.
CREATE TABLE never (id integer NOT NULL PRIMARY KEY CHECK (id <> id));

CREATE TABLE permit (
    one       integer NOT NULL PRIMARY KEY CHECK (one = 1),
    role      text CHECK (role = 'rider' OR role = 'driver'),
    sub       text COLLATE "C",
    pseudonym text COLLATE "C" CHECK (starts_with(pseudonym, 'erased-')),
    older     bigint, -- than this market instant is what may be deleted
    ends      integer NOT NULL DEFAULT 1 REFERENCES never (id) DEFERRABLE INITIALLY DEFERRED,
    CHECK ((role IS NULL) = (sub IS NULL) AND (role IS NULL) = (pseudonym IS NULL)),
    CHECK ((role IS NULL) <> (older IS NULL))
);

-- Under a permit one id may be replaced where it names the erased, and words of people may go; or old events may go:
-- of orders that were closed before its instant, and of duties but for each driver's last, which the next one
-- follows. What the relay has not published stays.
DROP TRIGGER events_never_change ON events;
CREATE TRIGGER events_never_go BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION journal_refuse('the history is append-only');

-- +goose StatementBegin
CREATE FUNCTION events_permitted() RETURNS trigger AS $$
DECLARE
    p permit;
    rest CONSTANT text[] := ARRAY['rider_id', 'driver_id', 'bars', 'reason', 'tags'];
BEGIN
    SELECT * INTO p FROM permit;
    IF FOUND AND TG_OP = 'DELETE' AND OLD.at < p.older
        AND OLD.seq <= (SELECT cursor FROM markets WHERE id = OLD.market)
        AND (OLD.subject = 'order' AND EXISTS (SELECT FROM orders WHERE id = OLD.subject_id AND closed_at < p.older)
            OR OLD.subject = 'driver' AND OLD.version < (SELECT version FROM drivers WHERE id = OLD.subject_id))
    THEN
        RETURN OLD;
    END IF;
    IF FOUND AND TG_OP = 'UPDATE' AND p.role IS NOT NULL
        AND ROW(NEW.market, NEW.seq, NEW.subject, NEW.version, NEW.type, NEW.at, NEW.by_role, NEW.from_state,
                NEW.to_state, NEW.offer_id)
            IS NOT DISTINCT FROM ROW(OLD.market, OLD.seq, OLD.subject, OLD.version, OLD.type, OLD.at, OLD.by_role,
                OLD.from_state, OLD.to_state, OLD.offer_id)
        AND (NEW.by_sub IS NOT DISTINCT FROM OLD.by_sub
            OR (OLD.by_role = p.role AND OLD.by_sub = p.sub AND NEW.by_sub = p.pseudonym))
        AND (NEW.driver_id IS NOT DISTINCT FROM OLD.driver_id
            OR (p.role = 'driver' AND OLD.driver_id = p.sub AND NEW.driver_id = p.pseudonym))
        AND (NEW.subject_id = OLD.subject_id OR (p.role = 'driver' AND OLD.subject = 'driver'
            AND OLD.subject_id = p.sub AND NEW.subject_id = p.pseudonym))
        AND (NEW.reason IS NOT DISTINCT FROM OLD.reason OR NEW.reason IS NULL)
        AND NEW.doc::jsonb - rest = OLD.doc::jsonb - rest
        AND (NEW.doc::jsonb ->> 'rider_id' IS NOT DISTINCT FROM OLD.doc::jsonb ->> 'rider_id' OR (p.role = 'rider'
            AND OLD.doc::jsonb ->> 'rider_id' = p.sub AND NEW.doc::jsonb ->> 'rider_id' = p.pseudonym))
        AND (NEW.doc::jsonb ->> 'driver_id' IS NOT DISTINCT FROM OLD.doc::jsonb ->> 'driver_id' OR (p.role = 'driver'
            AND OLD.doc::jsonb ->> 'driver_id' = p.sub AND NEW.doc::jsonb ->> 'driver_id' = p.pseudonym))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the history is append-only' USING ERRCODE = '23000';
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

CREATE TRIGGER events_never_change BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION events_permitted();

-- Under a permit a closed order may become another's; all else stays.
-- +goose StatementBegin
CREATE FUNCTION orders_permitted(a orders, b orders) RETURNS boolean AS $$
    SELECT EXISTS (SELECT FROM permit p WHERE p.role IS NOT NULL AND a.closed_at IS NOT NULL
        AND ROW(b.id, b.market, b.kind, b.state, b.version, b.vehicle_class, b.next_stop, b.requested_at, b.pickup_at,
                b.pickup_eta, b.dropoff_eta, b.cancelled_by, b.search_since, b.changed_at, b.priority, b.closed_at)
            IS NOT DISTINCT FROM ROW(a.id, a.market, a.kind, a.state, a.version, a.vehicle_class, a.next_stop,
                a.requested_at, a.pickup_at, a.pickup_eta, a.dropoff_eta, a.cancelled_by, a.search_since, a.changed_at,
                a.priority, a.closed_at)
        AND (b.rider_id = a.rider_id OR (p.role = 'rider' AND a.rider_id = p.sub AND b.rider_id = p.pseudonym))
        AND (b.driver_id IS NOT DISTINCT FROM a.driver_id
            OR (p.role = 'driver' AND a.driver_id = p.sub AND b.driver_id = p.pseudonym)))
$$ LANGUAGE sql;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION orders_step() RETURNS trigger AS $$
BEGIN
    IF NOT orders_permitted(OLD, NEW) THEN
        RAISE EXCEPTION 'an order steps from version to version, and what it is of never changes' USING ERRCODE = '23000';
    END IF;
    RETURN NULL;
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

DROP TRIGGER orders_step ON orders;
CREATE TRIGGER orders_step AFTER UPDATE ON orders FOR EACH ROW
    WHEN (NEW.version <> OLD.version + 1 OR NEW.id <> OLD.id OR NEW.market <> OLD.market OR NEW.kind <> OLD.kind
        OR NEW.rider_id <> OLD.rider_id OR NEW.requested_at <> OLD.requested_at)
    EXECUTE FUNCTION orders_step();

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION orders_keep_driver() RETURNS trigger AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM events e WHERE e.subject_id = NEW.id AND e.subject = 'order'
        AND e.version = NEW.version AND e.type = 'order.reassigned') AND NOT orders_permitted(OLD, NEW)
    THEN
        RAISE EXCEPTION 'order % has a driver and no event gives it to another', NEW.id USING ERRCODE = '23000';
    END IF;
    RETURN NULL;
END
$$ LANGUAGE plpgsql;
-- +goose StatementEnd

-- +goose Down

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION orders_keep_driver() RETURNS trigger AS $$
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

DROP TRIGGER orders_step ON orders;
CREATE TRIGGER orders_step AFTER UPDATE ON orders FOR EACH ROW
    WHEN (NEW.version <> OLD.version + 1 OR NEW.id <> OLD.id OR NEW.market <> OLD.market OR NEW.kind <> OLD.kind
        OR NEW.rider_id <> OLD.rider_id OR NEW.requested_at <> OLD.requested_at)
    EXECUTE FUNCTION journal_refuse('an order steps from version to version, and what it is of never changes');
DROP TRIGGER events_never_go ON events;
DROP TRIGGER events_never_change ON events;
CREATE TRIGGER events_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION journal_refuse('the history is append-only');
DROP FUNCTION orders_step, events_permitted;
DROP FUNCTION orders_permitted;
DROP TABLE permit, never, erasure_subjects, erasures, samples, learnt, retention;
DROP INDEX offers_order, orders_closed_at;
ALTER TABLE orders DROP COLUMN closed_state;
