-- Transactions that are prepared.

-- +goose Up

-- Postgres prepares no transaction that has notified somebody. One that is to be prepared says so before it enqueues, with
-- SET LOCAL sluice.notify = off; then the dispatcher finds the items when it next looks by itself.
DROP TRIGGER wake ON sluice.events;
CREATE CONSTRAINT TRIGGER wake AFTER INSERT ON sluice.events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NOT NEW.quiet AND current_setting('sluice.notify', true) IS DISTINCT FROM 'off') EXECUTE FUNCTION sluice.wake_listeners();
