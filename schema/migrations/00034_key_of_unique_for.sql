-- An enqueue that says for how long its key is held, and names none, is refused: its caller would believe that a repetition does nothing.

-- +goose Up

-- As before, with the last branch of unique_key.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.enqueue_item(
    workspace_id uuid, definition_id uuid, input jsonb, priority integer, available_at timestamptz,
    unique_key text, expires_at timestamptz, enqueued_by text, trigger_type text, unique_for interval, large boolean,
    workflow_type text DEFAULT NULL, task_queue text DEFAULT NULL, workflow_id text DEFAULT NULL, request bytea DEFAULT NULL
) RETURNS jsonb LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    item  uuid := sluice.uuid_v7();
    due   timestamptz := greatest(coalesce(available_at, now()), now());
    first sluice.unique_keys;
    state record;
BEGIN
    IF workflow_type IS NULL THEN
        PERFORM sluice.check_definition(workspace_id, definition_id);
    ELSE
        PERFORM sluice.check_workspace(workspace_id);
    END IF;
    IF request IS NULL AND input IS NULL OR jsonb_typeof(input) <> 'object' THEN
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
    enqueued_by := coalesce(nullif(enqueued_by, ''), nullif(current_setting('application_name'), ''), session_user);
    trigger_type := coalesce(nullif(trigger_type, ''), 'FUNCTION');
    IF char_length(enqueued_by) > 200 OR enqueued_by ~ sluice.hidden() THEN
        RAISE EXCEPTION 'enqueued_by must have at most 200 characters that can be seen, not % such as %', char_length(enqueued_by), to_json(left(enqueued_by, 40))
            USING ERRCODE = 'SL011';
    END IF;
    IF char_length(trigger_type) > 200 OR trigger_type ~ sluice.hidden() THEN
        RAISE EXCEPTION 'trigger_type must have at most 200 characters that can be seen, not % such as %', char_length(trigger_type), to_json(left(trigger_type, 40))
            USING ERRCODE = 'SL011';
    END IF;
    IF unique_key IS NOT NULL THEN
        IF unique_key = '' OR octet_length(unique_key) > 512 THEN
            RAISE EXCEPTION 'unique_key must have 1 to 512 bytes, not %', octet_length(unique_key) USING ERRCODE = 'SL007';
        END IF;
        IF unique_for < '0' OR unique_for > '36500 days' THEN
            RAISE EXCEPTION 'unique_for must be 0 to 100 years, not %', unique_for USING ERRCODE = 'SL007', HINT = 'leave it out for as long as the item is retained';
        END IF;
        -- Two enqueues of the same key do wait for one another: that is what makes the key unique.
        LOOP
            INSERT INTO sluice.unique_keys AS k (workspace_id, unique_key, queue_id, keep)
                VALUES (workspace_id, unique_key, item, unique_for) ON CONFLICT DO NOTHING;
            EXIT WHEN FOUND;
            SELECT k.* INTO first FROM sluice.unique_keys k
                WHERE k.workspace_id = enqueue_item.workspace_id AND k.unique_key = enqueue_item.unique_key FOR UPDATE;
            CONTINUE WHEN NOT FOUND; -- deleted meanwhile
            SELECT w.* INTO state FROM sluice.whereabouts(first.queue_id) w;
            IF state.status IS NOT NULL AND (state.ended_at + first.keep <= clock_timestamp()) IS NOT TRUE THEN
                RETURN jsonb_strip_nulls(jsonb_build_object('queueId', first.queue_id, 'status', state.status, 'workflowId', sluice.workflow_id_of(first.queue_id),
                    'message', 'Already enqueued under this unique key; this is the first item.'
                        || CASE WHEN state.ended_at IS NULL THEN '' ELSE ' It has ended as ' || state.status
                            || ' and still holds the key: nothing was enqueued. To let the key go: sluice.release_key, or starter release-key.' END));
            END IF;
            UPDATE sluice.unique_keys k SET queue_id = item, keep = unique_for
                WHERE k.workspace_id = enqueue_item.workspace_id AND k.unique_key = enqueue_item.unique_key;
            EXIT;
        END LOOP;
    ELSIF unique_for IS NOT NULL THEN
        RAISE EXCEPTION 'unique_for needs a unique_key' USING ERRCODE = 'SL007', HINT = 'nothing is unique without a key: name one, or leave both out';
    END IF;
    IF large THEN
        INSERT INTO sluice.inputs (id, input, request) VALUES (item, CASE WHEN request IS NULL THEN input END, request);
    END IF;
    INSERT INTO sluice.events (workspace_id, item_id, definition_id, priority, available_at)
        VALUES (workspace_id, item, definition_id, priority, due);
    INSERT INTO sluice.pending
        (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request, priority, available_at, expires_at, unique_key,
         trigger_type, enqueued_by, input)
        VALUES (item, workspace_id, definition_id, workflow_type, task_queue, workflow_id, CASE WHEN NOT large THEN request END, priority, due, expires_at,
            unique_key, trigger_type, enqueued_by, CASE WHEN NOT large OR request IS NOT NULL THEN input END);
    RETURN jsonb_strip_nulls(jsonb_build_object('queueId', item, 'status', 'QUEUED',
        'message', 'Workflow execution queued. Will start when capacity is available.',
        'workflowId', CASE WHEN workflow_type IS NOT NULL THEN coalesce(workflow_id, 'execution-' || item) END));
END $$;
-- +goose StatementEnd
