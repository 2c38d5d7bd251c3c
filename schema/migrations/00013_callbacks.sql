-- Temporal tells a worker when a workflow has ended, by a call that is signed.

-- +goose Up

-- 244 random bits. It is for workers, which own the schema: a role that may only enqueue does not read this table.
ALTER TABLE sluice.installation ADD COLUMN callback_key text NOT NULL DEFAULT gen_random_uuid()::text || gen_random_uuid()::text;
COMMENT ON COLUMN sluice.installation.callback_key IS 'Signs the calls by which Temporal tells that a workflow has ended; all workers share it.';
