-- The epoch of a market's last commit: with batch it tells whether a commit is in whose outcome was not told. 0
-- when there is none, or when it was made before this column was.

-- +goose Up

ALTER TABLE markets ADD COLUMN last_epoch INTEGER NOT NULL DEFAULT 0 CHECK (last_epoch >= 0 AND last_epoch <= epoch);

-- +goose Down

ALTER TABLE markets DROP COLUMN last_epoch;
