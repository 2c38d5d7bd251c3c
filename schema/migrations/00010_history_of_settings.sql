-- The audit asks every few minutes which limit all workspaces shared, and when: it must not read the whole log for that.

-- Built without keeping whoever logs waiting; what an interrupted attempt has left is removed first.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS sluice.activity_log_settings;
CREATE INDEX CONCURRENTLY activity_log_settings ON sluice.activity_log (id) WHERE action = 'settings-changed';
