-- Many outcomes are recorded by one statement now. What it costs beside its rows.

-- +goose Up

-- An execution is settled together with the others of its page. At 70 a third to more than half of them (the more, the
-- larger the batch) found no room there, and had to be put into every index again.
ALTER TABLE sluice.workflow_executions SET (fillfactor = 50);

-- One statement frees slots of many workspaces, and its first bell is enough to notify.
ALTER TABLE sluice.doorbell ADD COLUMN quiet boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN sluice.doorbell.quiet IS 'Another bell of the same statement notifies.';
DROP TRIGGER notify_parked ON sluice.doorbell;
CREATE CONSTRAINT TRIGGER notify_parked AFTER INSERT ON sluice.doorbell
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NOT NEW.quiet) EXECUTE FUNCTION sluice.notify_parked();
