-- The version of the policy under which the engine decided; NULL for what others did, and for what was before.

-- +goose Up

ALTER TABLE events ADD COLUMN policy text;

CREATE TRIGGER events_keep_policy BEFORE UPDATE OF policy ON events
    FOR EACH STATEMENT EXECUTE FUNCTION journal_refuse('the history is append-only');

-- +goose Down

DROP TRIGGER events_keep_policy ON events;
ALTER TABLE events DROP COLUMN policy;
