-- What is on record of a change of limits.

-- +goose Up

-- Deferred triggers of a row run in the order of their names. A change waits for the claims that are under way, to take its turn; it
-- holds from then on, so its record is written after that: with "log" before "turn" an audit took the claims that it had waited for
-- to exceed it.
ALTER TRIGGER log_changed ON sluice.tiers RENAME TO write_changed;
ALTER TRIGGER log_changed ON sluice.settings RENAME TO write_changed;
ALTER TRIGGER log_changed ON sluice.workspaces RENAME TO write_changed;
ALTER TRIGGER log_created ON sluice.tiers RENAME TO write_created;
ALTER TRIGGER log_created ON sluice.workspaces RENAME TO write_created;
ALTER TRIGGER log_deleted ON sluice.workspaces RENAME TO write_deleted;
