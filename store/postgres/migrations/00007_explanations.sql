-- How rounds dealt with orders, written behind and losable. Drivers stand in a document of their own (a JSON array of
-- ids), so that an erased one is replaced there. Instants are market time.

-- +goose Up

CREATE TABLE explanations (
    order_id text   COLLATE "C" NOT NULL,
    at       bigint NOT NULL,
    round    bigint NOT NULL,
    market   text   NOT NULL,
    drivers  text   NOT NULL,
    doc      text   NOT NULL,
    PRIMARY KEY (order_id, at, round)
);
CREATE INDEX explanations_at ON explanations (at);

-- +goose Down

DROP TABLE explanations;
