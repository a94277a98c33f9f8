-- The version of the policy under which the engine decided; NULL for what others did, and for what was before.

-- +goose Up

ALTER TABLE events ADD COLUMN policy TEXT;

-- +goose StatementBegin
CREATE TRIGGER events_keep_policy BEFORE UPDATE OF policy ON events
BEGIN
    SELECT RAISE(ABORT, 'the history is append-only') WHERE NEW.policy IS NOT OLD.policy;
END;
-- +goose StatementEnd

-- +goose Down

DROP TRIGGER events_keep_policy;
ALTER TABLE events DROP COLUMN policy;
