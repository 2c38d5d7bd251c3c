-- The actor of a change of limits is what the session says of itself (sluice.actor), and the record is kept for ever. Where an enqueue may create
-- its workspace, a role that may only enqueue writes such a record too. So the actor has a bound, and no characters that act on a terminal. Rows
-- that are there stay.

-- +goose Up

ALTER TABLE sluice.limit_changes
    ADD CONSTRAINT limit_changes_actor_seen CHECK (char_length(actor) <= 200 AND actor !~ sluice.hidden()) NOT VALID;
