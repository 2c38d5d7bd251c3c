-- Items are listed by the id of their workflow, what has ended among them.

-- +goose NO TRANSACTION
-- +goose Up

-- The ids that callers have chosen: of others an item's own id tells. In a transaction all that ends would wait until each partition is
-- indexed; this way it waits only for the one of the day.
CREATE INDEX IF NOT EXISTS ended_workflow ON ONLY sluice.ended (workflow_id, id) WHERE workflow_id IS NOT NULL;
-- +goose StatementBegin
DO $$
DECLARE
    whose text;
BEGIN
    FOR whose IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'sluice.ended'::regclass AND NOT EXISTS (
            SELECT FROM pg_inherits a JOIN pg_index x ON x.indexrelid = a.inhrelid
            WHERE a.inhparent = 'sluice.ended_workflow'::regclass AND x.indrelid = c.oid)
        ORDER BY c.relname
    LOOP
        EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON sluice.%I (workflow_id, id) WHERE workflow_id IS NOT NULL', whose || '_workflow', whose);
        EXECUTE format('ALTER INDEX sluice.ended_workflow ATTACH PARTITION sluice.%I', whose || '_workflow');
        COMMIT;
    END LOOP;
END $$;
-- +goose StatementEnd
