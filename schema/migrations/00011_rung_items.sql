-- A trigger for each statement, with a transition table, and one more at the commit for each bell cost an enqueue half as
-- much again as its INSERT. Statements that only bring items now ring, and wake the dispatcher, themselves.

-- +goose Up

ALTER TABLE sluice.execution_queue ADD COLUMN rung boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN sluice.execution_queue.rung IS 'The statement that brought the item has rung the doorbell for it.';
COMMENT ON COLUMN sluice.doorbell.quiet IS 'Whoever rang has seen to it that the dispatcher wakes.';

-- A thousand items of a thousand workspaces cost a fifth less with one bell. A dispatcher that does not know the column
-- reads everything again when it hears of the nil workspace.
ALTER TABLE sluice.doorbell ADD COLUMN workspaces uuid[];
ALTER TABLE sluice.doorbell ALTER COLUMN workspaces SET STORAGE EXTERNAL; -- ids do not compress
COMMENT ON COLUMN sluice.doorbell.workspaces IS 'A bell of several workspaces; workspace_id is nil then.';

-- For the other statements. They bring few items at a time: each rings.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sluice.doorbell (workspace_id, available_at) VALUES (NEW.workspace_id, NEW.available_at);
    RETURN NULL;
END $$;
-- +goose StatementEnd
DROP TRIGGER ring ON sluice.execution_queue;
CREATE TRIGGER ring AFTER INSERT ON sluice.execution_queue FOR EACH ROW WHEN (NOT NEW.rung) EXECUTE FUNCTION sluice.ring();

-- Wakes whom a bell of this workspace is for, if that one is parked. Always true, so that it can stand in a condition.
--
-- Called at the commit it misses nobody. A statement that calls it sees only who was parked when the statement began; who
-- parks after that looks for itself until what was then under way is over.
-- +goose StatementBegin
CREATE FUNCTION sluice.wake(workspace uuid, limits boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    n     integer;
    owner integer;
BEGIN
    SELECT s.shards INTO n FROM sluice.settings s WHERE s.max_concurrent_workflows IS NULL;
    IF limits OR coalesce(n, 1) = 1 THEN
        PERFORM pg_notify('sluice_doorbell', '');
        RETURN true;
    END IF;
    owner := sluice.shard_of(workspace, (SELECT w.cohort FROM sluice.workspaces w WHERE w.id = workspace), n);
    IF EXISTS (SELECT FROM sluice.parked p WHERE p.shard = owner) THEN
        PERFORM pg_notify('sluice_doorbell', owner::text);
    END IF;
    RETURN true;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.notify_parked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM sluice.parked) THEN
        PERFORM sluice.wake(NEW.workspace_id, NEW.limits);
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- True, or the error that says what is wrong: so it can stand where a cheaper look has found nothing.
-- +goose StatementBegin
CREATE FUNCTION sluice.check_definition(workspace uuid, definition uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    owner uuid;
BEGIN
    SELECT d.workspace_id INTO owner FROM sluice.workflow_definitions d WHERE d.id = definition;
    IF owner = workspace THEN
        RETURN true;
    ELSIF NOT EXISTS (SELECT FROM sluice.workspaces w WHERE w.id = workspace) THEN
        RAISE EXCEPTION 'unknown workspace %', coalesce(workspace::text, 'NULL')
            USING ERRCODE = 'SL001', HINT = 'create it first, or look its id up in sluice.workspaces';
    ELSIF owner IS NULL THEN
        RAISE EXCEPTION 'unknown workflow definition %', coalesce(definition::text, 'NULL')
            USING ERRCODE = 'SL002', HINT = 'apply the definition first, or look its id up in sluice.workflow_definitions';
    END IF;
    RAISE EXCEPTION 'workflow definition % does not belong to workspace %', definition, workspace
        USING ERRCODE = 'SL003', HINT = 'a definition only runs for the workspace that owns it: apply it there too';
END $$;
-- +goose StatementEnd

-- The same, but it rings itself. Its bells notify at the commit: a caller's transaction may stay open for long.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.enqueue_item(
    workspace_id uuid, definition_id uuid, input jsonb, priority integer, available_at timestamptz,
    unique_key text, expires_at timestamptz, enqueued_by text, trigger_type text
) RETURNS jsonb LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    item   uuid := sluice.uuid_v7();
    first  uuid;
    due    timestamptz;
BEGIN
    -- A plain item is checked by the statement that inserts it. Where that inserts nothing, the rest finds out why.
    IF available_at IS NULL AND unique_key IS NULL AND expires_at IS NULL THEN
        WITH plain AS (
            INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, priority, trigger_type, enqueued_by, input, rung)
                SELECT item, workspace_id, definition_id, priority, coalesce(trigger_type, 'FUNCTION'),
                       coalesce(nullif(enqueued_by, ''), nullif(current_setting('application_name'), ''), session_user), input, true
                WHERE jsonb_typeof(input) = 'object' AND priority BETWEEN 1 AND 5 AND EXISTS (
                    SELECT FROM sluice.workflow_definitions d WHERE d.id = definition_id AND d.workspace_id = enqueue_item.workspace_id)
                RETURNING execution_queue.workspace_id, execution_queue.available_at
        )
        INSERT INTO sluice.doorbell (workspace_id, available_at) SELECT p.workspace_id, p.available_at FROM plain p;
        IF FOUND THEN
            RETURN jsonb_build_object('queueId', item, 'status', 'QUEUED',
                'message', 'Workflow execution queued. Will start when capacity is available.');
        END IF;
    END IF;
    due := greatest(coalesce(available_at, now()), now());
    PERFORM sluice.check_definition(workspace_id, definition_id);
    IF input IS NULL OR jsonb_typeof(input) <> 'object' THEN
        RAISE EXCEPTION 'input must be a JSON object, not %', coalesce(jsonb_typeof(input), 'NULL') USING ERRCODE = 'SL004';
    END IF;
    IF priority IS NULL OR priority NOT BETWEEN 1 AND 5 THEN
        RAISE EXCEPTION 'priority must be 1 (first) to 5 (last), not %', coalesce(priority::text, 'NULL') USING ERRCODE = 'SL005';
    END IF;
    IF NOT isfinite(due) OR due > now() + interval '10 years' THEN
        RAISE EXCEPTION 'available_at must be at most ten years ahead, not %', available_at USING ERRCODE = 'SL006';
    END IF;
    expires_at := nullif(expires_at, 'infinity');
    IF expires_at >= timestamptz '10000-01-01 00:00:00+00' THEN
        RAISE EXCEPTION 'expires_at must lie before the year 10000, not %', expires_at USING ERRCODE = 'SL006', HINT = 'leave it out for never';
    END IF;
    IF expires_at <= greatest(due, clock_timestamp()) THEN
        RAISE EXCEPTION 'expires_at % must lie after available_at and the present', expires_at USING ERRCODE = 'SL006';
    END IF;
    IF unique_key IS NOT NULL THEN
        IF unique_key = '' OR octet_length(unique_key) > 512 THEN
            RAISE EXCEPTION 'unique_key must have 1 to 512 bytes, not %', octet_length(unique_key) USING ERRCODE = 'SL007';
        END IF;
        -- Two enqueues of the same key do wait for one another: that is what makes the key unique.
        INSERT INTO sluice.unique_keys AS k (workspace_id, unique_key, queue_id)
            VALUES (workspace_id, unique_key, item) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            SELECT k.queue_id INTO STRICT first FROM sluice.unique_keys k
                WHERE k.workspace_id = enqueue_item.workspace_id AND k.unique_key = enqueue_item.unique_key;
            RETURN jsonb_build_object('queueId', first, 'status', 'QUEUED',
                'message', 'Already enqueued under this unique key; this is the first item.');
        END IF;
    END IF;
    WITH bell AS (
        INSERT INTO sluice.doorbell (workspace_id, available_at) VALUES (workspace_id, due)
    )
    INSERT INTO sluice.execution_queue
        (id, workspace_id, workflow_definition_id, priority, available_at, expires_at, unique_key, trigger_type, enqueued_by, input, rung)
        VALUES (item, workspace_id, definition_id, priority, due, expires_at, unique_key, coalesce(trigger_type, 'FUNCTION'),
            coalesce(nullif(enqueued_by, ''), nullif(current_setting('application_name'), ''), session_user), input, true);
    RETURN jsonb_build_object('queueId', item, 'status', 'QUEUED',
        'message', 'Workflow execution queued. Will start when capacity is available.');
END $$;
-- +goose StatementEnd
