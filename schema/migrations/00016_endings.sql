-- What has ended lately is read from a list of its own. With an index on completed_at no outcome was a HOT update: each
-- wrote all three indexes of its row, a third of what it cost. See docs/operations.md, Audit.

-- Nobody waits for any of this for longer than a moment. It may be interrupted and run again.
-- +goose NO TRANSACTION
-- +goose Up

-- Insert-only, a row for each statement. Toasting a statement's worth of ids would cost more than writing them, and they
-- do not compress.
CREATE TABLE IF NOT EXISTS sluice.endings (
    at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    ids uuid[] NOT NULL
) WITH (toast_tuple_target = 8160);
ALTER TABLE sluice.endings ALTER COLUMN ids SET STORAGE EXTERNAL;
CREATE INDEX IF NOT EXISTS endings_at ON sluice.endings (at);
COMMENT ON TABLE sluice.endings IS
    'Which executions have given back a slot, and when: those that have ended, and those whose claim was undone. Complete from its first row on.';

-- A trigger, so that it tells of every slot, also of those that older workers free, or somebody by hand.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.log_freed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sluice.endings (ids) SELECT array_agg(execution_id) FROM freed HAVING count(*) > 0;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE OR REPLACE TRIGGER log_freed AFTER DELETE ON sluice.slots
    REFERENCING OLD TABLE AS freed FOR EACH STATEMENT EXECUTE FUNCTION sluice.log_freed();

-- An outcome that finds its item requeued makes an execution that has never held a slot.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.log_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sluice.endings (ids) VALUES (ARRAY[NEW.id]);
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE OR REPLACE TRIGGER log_ended AFTER INSERT ON sluice.workflow_executions
    FOR EACH ROW WHEN (NEW.completed_at IS NOT NULL) EXECUTE FUNCTION sluice.log_ended();

-- The last day, while there is the index; from now on the triggers tell. The empty row is where the list begins, and says
-- that this was done.
INSERT INTO sluice.endings (at, ids)
SELECT at, ids FROM (
    SELECT now() - interval '1 day', '{}'::uuid[]
    UNION ALL
    SELECT max(completed_at), array_agg(id) FROM sluice.workflow_executions WHERE completed_at >= now() - interval '1 day'
    GROUP BY date_trunc('minute', completed_at)) AS past (at, ids)
WHERE NOT EXISTS (SELECT FROM sluice.endings WHERE ids = '{}');

DROP INDEX CONCURRENTLY IF EXISTS sluice.workflow_executions_completed;

-- The outcomes of a statement ring once, for all their workspaces.
ALTER TABLE sluice.doorbell SET (toast_tuple_target = 8160);
