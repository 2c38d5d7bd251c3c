-- What is known of how long executions of each workflow type and definition take.

-- +goose Up

ALTER TABLE sluice.virtual_times ADD COLUMN slot_times jsonb;
COMMENT ON COLUMN sluice.virtual_times.slot_times IS 'slot_time by "type " and the workflow type, or "definition " and the definition''s id; NULL: there is one of them at most.';
