-- What has happened lately? The audit runs every few minutes, so it must not read every execution there ever was. One
-- index answers both "ended since" and "still open" (NULL). It ends HOT updates of an outcome, which is measured: see
-- docs/operations.md, Audit.

-- Built without keeping claims and outcomes waiting; what an interrupted attempt has left is removed first.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS sluice.workflow_executions_completed;
CREATE INDEX CONCURRENTLY workflow_executions_completed ON sluice.workflow_executions (completed_at);
