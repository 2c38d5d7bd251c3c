-- What an enqueue costs beside its INSERT: functions made cheaper. They do what they did before.

-- +goose Up

-- A grouping costs more than the rest of this trigger, and most statements bring one item.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sluice.doorbell (workspace_id, available_at)
        SELECT workspace_id, available_at FROM arrived WHERE NOT EXISTS (SELECT FROM arrived OFFSET 1);
    IF NOT FOUND THEN
        INSERT INTO sluice.doorbell (workspace_id, available_at)
            SELECT workspace_id, min(available_at) FROM arrived GROUP BY workspace_id, available_at > now();
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- The same ids. One expression that reads the clock once is planned into the statement that calls it; anything more is
-- planned anew in each transaction. The upper 60 bits are the microseconds in units of 1/4096 ms, with the version
-- behind the first 48.
CREATE OR REPLACE FUNCTION sluice.uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT (overlay(lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 512 / 125), 15, '0') PLACING '7' FROM 13 FOR 0)
        || right(gen_random_uuid()::text, 17))::uuid
$$;

-- A plain item, without key and times, is checked by the statement that inserts it. Where that inserts nothing, the
-- other way finds out why.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.enqueue_item(
    workspace_id uuid, definition_id uuid, input jsonb, priority integer, available_at timestamptz,
    unique_key text, expires_at timestamptz, enqueued_by text, trigger_type text
) RETURNS jsonb LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    owner  uuid;
    item   uuid := sluice.uuid_v7();
    first  uuid;
    due    timestamptz;
BEGIN
    IF available_at IS NULL AND unique_key IS NULL AND expires_at IS NULL THEN
        INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, priority, trigger_type, enqueued_by, input)
            SELECT item, workspace_id, definition_id, priority, coalesce(trigger_type, 'FUNCTION'),
                   coalesce(nullif(enqueued_by, ''), nullif(current_setting('application_name'), ''), session_user), input
            WHERE jsonb_typeof(input) = 'object' AND priority BETWEEN 1 AND 5 AND EXISTS (
                SELECT FROM sluice.workflow_definitions d WHERE d.id = definition_id AND d.workspace_id = enqueue_item.workspace_id);
        IF FOUND THEN
            RETURN jsonb_build_object('queueId', item, 'status', 'QUEUED',
                'message', 'Workflow execution queued. Will start when capacity is available.');
        END IF;
    END IF;
    due := greatest(coalesce(available_at, now()), now());
    SELECT d.workspace_id INTO owner FROM sluice.workflow_definitions d WHERE d.id = definition_id;
    IF owner IS DISTINCT FROM workspace_id OR owner IS NULL THEN
        IF NOT EXISTS (SELECT FROM sluice.workspaces w WHERE w.id = workspace_id) THEN
            RAISE EXCEPTION 'unknown workspace %', coalesce(workspace_id::text, 'NULL')
                USING ERRCODE = 'SL001', HINT = 'create it first, or look its id up in sluice.workspaces';
        ELSIF owner IS NULL THEN
            RAISE EXCEPTION 'unknown workflow definition %', coalesce(definition_id::text, 'NULL')
                USING ERRCODE = 'SL002', HINT = 'apply the definition first, or look its id up in sluice.workflow_definitions';
        END IF;
        RAISE EXCEPTION 'workflow definition % does not belong to workspace %', definition_id, workspace_id
            USING ERRCODE = 'SL003', HINT = 'a definition only runs for the workspace that owns it: apply it there too';
    END IF;
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
    INSERT INTO sluice.execution_queue
        (id, workspace_id, workflow_definition_id, priority, available_at, expires_at, unique_key, trigger_type, enqueued_by, input)
        VALUES (item, workspace_id, definition_id, priority, due, expires_at, unique_key, coalesce(trigger_type, 'FUNCTION'),
            coalesce(nullif(enqueued_by, ''), nullif(current_setting('application_name'), ''), session_user), input);
    RETURN jsonb_build_object('queueId', item, 'status', 'QUEUED',
        'message', 'Workflow execution queued. Will start when capacity is available.');
END $$;
-- +goose StatementEnd
