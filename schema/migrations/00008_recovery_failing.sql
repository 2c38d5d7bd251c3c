-- Since when recovery cannot do all of its work, and why: Temporal's lists do not answer, for example. starter status shows it.

-- +goose Up
ALTER TABLE sluice.recovery ADD COLUMN failing_since timestamptz, ADD COLUMN failing_error text;
COMMENT ON COLUMN sluice.recovery.failing_since IS 'Since when passes of recovery fail, in part or all; NULL: they do not.';
