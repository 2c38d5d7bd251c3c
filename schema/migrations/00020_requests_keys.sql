-- Requests with callbacks of their callers, and keys that read as ids, are refused; start delays of requests are kept.

-- +goose Up

-- What a StartWorkflowExecutionRequest names: what it holds beyond that is judged when it is started. A field may come more than once:
-- then the last one counts, and messages are merged. Callbacks of its caller are refused here: the server would call them wherever it may
-- call Sluice, with headers of the caller's choice.
DROP FUNCTION sluice.read_request(bytea); -- what it returns changes
-- +goose StatementBegin
CREATE FUNCTION sluice.read_request(request bytea, OUT workflow_id text, OUT workflow_type text, OUT task_queue text, OUT namespace text, OUT cron text,
    OUT delay interval, OUT reuse bigint, OUT conflict bigint)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    f       record;
    d       record;
    seconds bigint := 0;
    nanos   bigint := 0;
    calls   integer := 0;
BEGIN
    BEGIN
        FOR f IN SELECT * FROM sluice.wire_fields(request) w WHERE (w.field IN (1, 2, 3, 4, 13, 20, 21) AND w.value IS NOT NULL OR w.field IN (11, 22) AND w.number IS NOT NULL) LOOP
            CASE f.field
            WHEN 1 THEN namespace := convert_from(f.value, 'UTF8');
            WHEN 2 THEN workflow_id := convert_from(f.value, 'UTF8');
            WHEN 3 THEN workflow_type := coalesce(sluice.last_name(f.value), workflow_type);
            WHEN 4 THEN task_queue := coalesce(sluice.last_name(f.value), task_queue);
            WHEN 11 THEN reuse := f.number & 4294967295;
            WHEN 13 THEN cron := convert_from(f.value, 'UTF8');
            WHEN 20 THEN
                FOR d IN SELECT * FROM sluice.wire_fields(f.value) w WHERE w.number IS NOT NULL LOOP
                    CASE d.field WHEN 1 THEN seconds := d.number; WHEN 2 THEN nanos := d.number; ELSE NULL; END CASE;
                END LOOP;
                IF seconds > 315576000000 OR nanos > 999999999 THEN -- or negative, which reads as a large number
                    RAISE EXCEPTION 'has a start delay that is none' USING ERRCODE = 'SL004';
                END IF;
                delay := make_interval(secs => seconds + nanos / 1e9);
            WHEN 21 THEN calls := calls + 1;
            WHEN 22 THEN conflict := f.number & 4294967295;
            END CASE;
        END LOOP;
    EXCEPTION WHEN SQLSTATE 'SL004' OR data_exception THEN
        RAISE EXCEPTION 'request is no StartWorkflowExecutionRequest: it %', SQLERRM USING ERRCODE = 'SL004', HINT = 'serialize the message itself, without a length or a frame around it';
    END;
    IF calls > 0 THEN
        RAISE EXCEPTION 'request has % completion callbacks', calls USING ERRCODE = 'SL004',
            HINT = 'leave them out: have the workflow tell of its end, or ask the queue for it';
    END IF;
END $$;
-- +goose StatementEnd

-- Enqueues as before; a request with a start delay waits for it in the queue instead of being refused.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.enqueue_workflow(
    workspace_id uuid, workflow_type text, task_queue text DEFAULT NULL, args jsonb DEFAULT '[]', workflow_id text DEFAULT NULL,
    options jsonb DEFAULT '{}', priority bigint DEFAULT 3, available_at timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL,
    unique_key text DEFAULT NULL, request bytea DEFAULT NULL, enqueued_by text DEFAULT NULL, trigger_type text DEFAULT 'FUNCTION',
    unique_for interval DEFAULT NULL
) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    named record;
    input jsonb;
    bytes integer;
BEGIN
    options := coalesce(options, '{}');
    PERFORM sluice.check_options(options);
    IF request IS NOT NULL THEN
        bytes := octet_length(request);
        IF bytes > 2097152 THEN
            RAISE EXCEPTION 'request has % bytes, at most 2097152 (2 MiB) are allowed', bytes USING ERRCODE = 'SL004', HINT = 'store large data elsewhere and pass a reference';
        END IF;
        SELECT * INTO named FROM sluice.read_request(request);
        IF named.cron <> '' THEN
            RAISE EXCEPTION 'request has the cron schedule %', to_json(left(named.cron, 40)) USING ERRCODE = 'SL004',
                HINT = 'make a Temporal schedule whose workflow enqueues, or enqueue from a job of your own';
        ELSIF named.conflict IN (2, 3) OR named.reuse = 4 THEN
            RAISE EXCEPTION 'request has the policy %', CASE WHEN named.conflict = 2 THEN 'USE_EXISTING' WHEN named.conflict = 3 THEN 'TERMINATE_EXISTING' ELSE 'TERMINATE_IF_RUNNING' END
                USING ERRCODE = 'SL004', HINT = 'an item starts a workflow of its own: leave the policy out, and choose what is to happen by options.onConflict';
        ELSIF EXISTS (SELECT FROM sluice.installation n WHERE n.namespace <> nullif(named.namespace, '')) THEN
            RAISE EXCEPTION 'request names the namespace %, and Sluice serves %', to_json(left(named.namespace, 200)), (SELECT to_json(n.namespace) FROM sluice.installation n)
                USING ERRCODE = 'SL004', HINT = 'leave it out, or enqueue where that namespace is served';
        END IF;
        workflow_type := coalesce(nullif(named.workflow_type, ''), workflow_type);
        task_queue := coalesce(nullif(named.task_queue, ''), task_queue);
        workflow_id := coalesce(nullif(named.workflow_id, ''), workflow_id);
        available_at := coalesce(available_at, now() + named.delay);
        input := CASE WHEN options ? 'onConflict' THEN jsonb_build_object('options', jsonb_build_object('onConflict', options -> 'onConflict')) END;
    ELSE
        IF jsonb_typeof(coalesce(args, '[]')) <> 'array' THEN
            RAISE EXCEPTION 'args must be a JSON array with one element for each argument, not %', jsonb_typeof(args) USING ERRCODE = 'SL004',
                HINT = 'a single argument is [argument]';
        END IF;
        input := jsonb_build_object('args', coalesce(args, '[]'), 'options', options);
        bytes := octet_length(input::text);
        IF bytes > 262144 THEN
            RAISE EXCEPTION 'args and options have % bytes, at most 262144 (256 KiB) are allowed', bytes
                USING ERRCODE = 'SL004', HINT = 'store large data elsewhere and pass a reference';
        END IF;
        IF bytes > 1000 AND input @? 'strict $.**{500} ? (@.type() == "object" || @.type() == "array")' THEN
            RAISE EXCEPTION 'args are nested deeper than 500 levels' USING ERRCODE = 'SL004', HINT = 'flatten them, or pass them as text';
        END IF;
    END IF;
    task_queue := coalesce(nullif(task_queue, ''), sluice.task_queue_of(workspace_id));
    workflow_id := nullif(workflow_id, '');
    PERFORM sluice.check_workflow(workspace_id, workflow_type, task_queue, workflow_id);
    IF priority NOT BETWEEN 1 AND 5 THEN
        RAISE EXCEPTION 'priority must be 1 (first) to 5 (last), not %', priority USING ERRCODE = 'SL005';
    END IF;
    RETURN sluice.enqueue_item(workspace_id, NULL, input, coalesce(priority, 3)::integer, available_at, unique_key, expires_at, enqueued_by,
        trigger_type, unique_for, bytes > 2000, workflow_type, task_queue, workflow_id, request);
END $$;
-- +goose StatementEnd

-- ---------------------------------------------------------------- the id of one workspace is no key of another

-- A check of the column would also refuse every other change of a workspace that has such a key already.
-- +goose StatementBegin
CREATE FUNCTION sluice.key_is_no_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.external_key IS NOT DISTINCT FROM OLD.external_key THEN
        RETURN NEW;
    END IF;
    IF NEW.external_key ~ '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$' THEN
        RAISE EXCEPTION 'a workspace key must not read as the id of a workspace, as % does', NEW.external_key USING ERRCODE = 'SL011',
            HINT = 'create the workspace with that id, or put something in front of it';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER key_is_no_id BEFORE INSERT OR UPDATE ON sluice.workspaces FOR EACH ROW WHEN (NEW.external_key IS NOT NULL) EXECUTE FUNCTION sluice.key_is_no_id();

-- The id of the workspace whose id that is, or that a platform knows by a key. It is created where that is allowed.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.workspace(key text) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_id    boolean := key ~ '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$';
    found_id uuid;
    to_plan  text;
BEGIN
    IF is_id THEN
        SELECT w.id INTO found_id FROM sluice.workspaces w WHERE w.id = key::uuid;
    END IF;
    IF found_id IS NULL THEN
        SELECT w.id INTO found_id FROM sluice.workspaces w WHERE w.external_key = key;
    END IF;
    IF found_id IS NULL AND is_id THEN
        PERFORM sluice.check_workspace(key::uuid);
        RETURN key::uuid;
    END IF;
    IF found_id IS NULL THEN
        SELECT s.auto_create_plan INTO to_plan FROM sluice.settings s;
        IF to_plan IS NULL OR key IS NULL THEN
            RAISE EXCEPTION 'unknown workspace %', coalesce(to_json(left(key, 200))::text, 'NULL')
                USING ERRCODE = 'SL001', HINT = 'create it first, or look it up in sluice.workspaces';
        ELSIF NOT sluice.is_name(key) THEN
            RAISE EXCEPTION 'a workspace key must have 1 to 200 characters that can be seen, without blanks around them, not % such as %', char_length(key), to_json(left(key, 40))
                USING ERRCODE = 'SL011';
        END IF;
        INSERT INTO sluice.workspaces (name, external_key, plan) VALUES (key, key, to_plan) ON CONFLICT (external_key) DO NOTHING;
        SELECT w.id INTO found_id FROM sluice.workspaces w WHERE w.external_key = key;
    END IF;
    RETURN found_id;
END $$;
-- +goose StatementEnd
