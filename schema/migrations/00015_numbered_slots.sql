-- While a transaction is open, the index keeps an entry of every slot that is freed. A count of a workspace's slots
-- walked over them all; by number it begins behind them. See queue/bound.go.

-- Built without keeping claims and outcomes waiting; what an interrupted attempt has left is removed first.
-- +goose NO TRANSACTION
-- +goose Up
CREATE SEQUENCE IF NOT EXISTS sluice.slot_numbers CACHE 1;
COMMENT ON SEQUENCE sluice.slot_numbers IS 'Numbers claims. Later claims must get higher numbers: never set it back, never give it a cache.';

-- Whoever knows nothing of numbers gets the highest there is, which every count includes.
ALTER TABLE sluice.slots ADD COLUMN IF NOT EXISTS seq bigint NOT NULL DEFAULT 9223372036854775807;
COMMENT ON COLUMN sluice.slots.seq IS 'The number of the claim that took it; of a slot that no claim took the highest there is.';

DROP INDEX CONCURRENTLY IF EXISTS sluice.slots_numbered;
CREATE INDEX CONCURRENTLY slots_numbered ON sluice.slots (workspace_id, seq) WITH (deduplicate_items = off);
DROP INDEX CONCURRENTLY IF EXISTS sluice.slots_usage;
