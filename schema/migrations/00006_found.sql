-- What a database brings along: publications of all tables, and transactions that are prepared.

-- +goose Up

-- A publication of all tables takes updates and deletes only of tables that tell which row it is. The log has no key, so
-- its partitions tell by the whole row, as soon as they are put on record.
-- +goose StatementBegin
CREATE FUNCTION sluice.identify_partition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_index i
                   WHERE i.indrelid = pg_catalog.to_regclass(pg_catalog.format('sluice.%I', NEW.name)) AND i.indisprimary) THEN
        EXECUTE pg_catalog.format('ALTER TABLE sluice.%I REPLICA IDENTITY FULL', NEW.name);
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER identify AFTER INSERT ON sluice.partitions FOR EACH ROW EXECUTE FUNCTION sluice.identify_partition();
-- +goose StatementBegin
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT p.name FROM sluice.partitions p WHERE p.parent = 'activity_log' ORDER BY p.name LOOP
        EXECUTE format('ALTER TABLE sluice.%I REPLICA IDENTITY FULL', name);
    END LOOP;
END $$;
-- +goose StatementEnd

-- Postgres prepares no transaction that has notified somebody. One that is to be prepared says so before it enqueues, with
-- SET LOCAL sluice.notify = off; then the dispatcher finds the items when it next looks by itself.
DROP TRIGGER wake ON sluice.events;
CREATE CONSTRAINT TRIGGER wake AFTER INSERT ON sluice.events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NOT NEW.quiet AND current_setting('sluice.notify', true) IS DISTINCT FROM 'off') EXECUTE FUNCTION sluice.wake_listeners();
