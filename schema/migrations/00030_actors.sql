-- Who has changed a limit is what a session says of itself (sluice.actor), and is kept for ever. Where an enqueue may create its workspace that is also
-- a role that may do nothing else: it must not write there as much as it likes, nor what acts on the terminals of others. Rows that are there stay.

-- +goose Up

ALTER TABLE sluice.limit_changes
    ADD CONSTRAINT limit_changes_actor_seen CHECK (char_length(actor) <= 200 AND actor !~ sluice.hidden()) NOT VALID;
