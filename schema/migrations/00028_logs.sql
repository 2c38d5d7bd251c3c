-- The newest entries of the logs are found without reading all of them.

-- +goose Up

-- Of everything, for the page of the log of activity.
CREATE INDEX activity_log_at ON sluice.activity_log (at);
-- Of one workspace, and, under NULL, of what all share.
CREATE INDEX limit_changes_workspace ON sluice.limit_changes (workspace_id, at, id);
