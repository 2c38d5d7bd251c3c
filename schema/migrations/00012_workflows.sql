-- Items that are workflows: any workflow type, on any task queue.

-- +goose Up

-- ---------------------------------------------------------------- workspaces by the name of the platform, and without registration

ALTER TABLE sluice.workspaces ADD COLUMN external_key text CHECK (sluice.is_name(external_key)) UNIQUE;
COMMENT ON COLUMN sluice.workspaces.external_key IS 'What the platform calls it; names it wherever its id can.';
ALTER TABLE sluice.settings
    ADD COLUMN auto_create_plan text REFERENCES sluice.tiers (plan),
    ADD COLUMN task_queue       text NOT NULL DEFAULT 'workflow.workspace.{workspace}' CHECK (octet_length(task_queue) BETWEEN 1 AND 900 AND task_queue !~ sluice.hidden());
COMMENT ON COLUMN sluice.settings.auto_create_plan IS 'The plan of workspaces that their first enqueue creates; NULL: they are created beforehand.';
COMMENT ON COLUMN sluice.settings.task_queue IS 'Of workflows that name none; {workspace} is the id of their workspace.';

-- Returns true where there is such a workspace, or creates it if that is allowed.
-- +goose StatementBegin
CREATE FUNCTION sluice.check_workspace(workspace uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    to_plan text;
BEGIN
    IF EXISTS (SELECT FROM sluice.workspaces w WHERE w.id = workspace) THEN
        RETURN true;
    END IF;
    SELECT s.auto_create_plan INTO to_plan FROM sluice.settings s;
    IF to_plan IS NULL OR workspace IS NULL THEN
        RAISE EXCEPTION 'unknown workspace %', coalesce(workspace::text, 'NULL')
            USING ERRCODE = 'SL001', HINT = 'create it first, or look its id up in sluice.workspaces';
    END IF;
    INSERT INTO sluice.workspaces (id, name, plan) VALUES (workspace, workspace::text, to_plan) ON CONFLICT (id) DO NOTHING;
    RETURN true;
END $$;
-- +goose StatementEnd

-- The id of the workspace that a platform knows by a key, or whose id that is. It is created where that is allowed.
-- +goose StatementBegin
CREATE FUNCTION sluice.workspace(key text) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_id uuid;
    to_plan  text;
BEGIN
    SELECT w.id INTO found_id FROM sluice.workspaces w WHERE w.external_key = key;
    IF found_id IS NULL AND key ~ '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$' THEN
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

-- It runs at the commit, as who commits: that may be one who may only enqueue, and so create a workspace.
ALTER FUNCTION sluice.log_limit() SECURITY DEFINER;
ALTER FUNCTION sluice.log_limit() SET search_path = pg_catalog, pg_temp;
REVOKE EXECUTE ON FUNCTION sluice.log_limit() FROM PUBLIC;

-- ---------------------------------------------------------------- the item

ALTER TABLE sluice.pending
    ALTER COLUMN workflow_definition_id DROP NOT NULL,
    ADD COLUMN workflow_type text, ADD COLUMN task_queue text, ADD COLUMN workflow_id text, ADD COLUMN request bytea,
    ADD CONSTRAINT pending_kind CHECK (CASE WHEN workflow_type IS NULL
        THEN workflow_definition_id IS NOT NULL AND task_queue IS NULL AND workflow_id IS NULL AND request IS NULL
        ELSE workflow_definition_id IS NULL AND task_queue IS NOT NULL AND octet_length(workflow_type) <= 1000 AND octet_length(task_queue) <= 1000
             AND (octet_length(workflow_id) <= 1000) IS NOT FALSE AND (octet_length(request) <= 2097152) IS NOT FALSE END) NOT VALID;
ALTER TABLE sluice.running
    ALTER COLUMN workflow_definition_id DROP NOT NULL,
    ADD COLUMN workflow_type text, ADD COLUMN task_queue text, ADD COLUMN workflow_id text, ADD COLUMN request bytea;
ALTER TABLE sluice.ended
    ALTER COLUMN workflow_definition_id DROP NOT NULL,
    ADD COLUMN workflow_type text, ADD COLUMN task_queue text, ADD COLUMN workflow_id text, ADD COLUMN request bytea;
ALTER TABLE sluice.inputs
    ALTER COLUMN input DROP NOT NULL,
    ADD COLUMN request bytea,
    ADD CONSTRAINT inputs_one CHECK ((input IS NULL) <> (request IS NULL) AND (octet_length(request) <= 2097152) IS NOT FALSE) NOT VALID;
CREATE INDEX pending_workflow ON sluice.pending (workflow_id, id) WHERE workflow_id IS NOT NULL;
CREATE INDEX running_workflow ON sluice.running (workflow_id) WHERE workflow_id IS NOT NULL;
COMMENT ON COLUMN sluice.pending.workflow_type IS 'Of an item that is a workflow; NULL: it is a definition.';
COMMENT ON COLUMN sluice.pending.workflow_id IS 'What its caller calls the workflow; NULL: execution-<id>.';
COMMENT ON COLUMN sluice.pending.request IS 'The StartWorkflowExecutionRequest of its caller; NULL: it is large and lives in sluice.inputs, or is made of input, {"args", "options"}.';

-- The fields of a message in the wire format of protocol buffers that have bytes or a number of up to 56 bits. Each costs time, and no
-- message that is read here has many.
-- +goose StatementBegin
CREATE FUNCTION sluice.wire_fields(message bytea) RETURNS TABLE (field bigint, value bytea, number bigint) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    at    integer := 0;
    size  integer := octet_length(message);
    tag   bigint;
    n     bigint;
    shift integer;
    byte  integer;
    read  integer := 0;
BEGIN
    WHILE at < size LOOP
        read := read + 1;
        IF read > 1000 THEN
            RAISE EXCEPTION 'has more than 1000 fields' USING ERRCODE = 'SL004';
        END IF;
        FOR part IN 1..2 LOOP -- a tag, and then for types 0 and 2 a number
            n := 0;
            shift := 0;
            LOOP
                IF at >= size OR shift > 63 THEN
                    RAISE EXCEPTION 'is cut short' USING ERRCODE = 'SL004';
                END IF;
                byte := get_byte(message, at);
                at := at + 1;
                IF shift < 56 THEN
                    n := n | ((byte & 127)::bigint << shift);
                END IF;
                shift := shift + 7;
                EXIT WHEN byte < 128;
            END LOOP;
            IF part = 1 THEN
                tag := n;
                EXIT WHEN tag & 7 NOT IN (0, 2);
            END IF;
        END LOOP;
        field := tag >> 3;
        IF field NOT BETWEEN 1 AND 536870911 THEN
            RAISE EXCEPTION 'is not in the wire format' USING ERRCODE = 'SL004';
        END IF;
        CASE tag & 7
        WHEN 0 THEN
            value := NULL;
            number := n;
            RETURN NEXT;
        WHEN 1 THEN at := at + 8;
        WHEN 5 THEN at := at + 4;
        WHEN 2 THEN
            IF n > size - at THEN
                RAISE EXCEPTION 'is cut short' USING ERRCODE = 'SL004';
            END IF;
            value := substring(message FROM at + 1 FOR n::integer);
            number := NULL;
            at := at + n::integer;
            RETURN NEXT;
        ELSE RAISE EXCEPTION 'is not in the wire format' USING ERRCODE = 'SL004';
        END CASE;
    END LOOP;
    IF at > size THEN
        RAISE EXCEPTION 'is cut short' USING ERRCODE = 'SL004';
    END IF;
END $$;
-- +goose StatementEnd

-- The name in a message WorkflowType or TaskQueue; NULL: it has none.
CREATE FUNCTION sluice.last_name(message bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT convert_from(w.value, 'UTF8') FROM sluice.wire_fields(message) WITH ORDINALITY AS w (field, value, number, place)
    WHERE w.field = 1 AND w.value IS NOT NULL ORDER BY w.place DESC LIMIT 1
$$;

-- What a StartWorkflowExecutionRequest names: what it holds beyond that is judged when it is started. A field may come more than once:
-- then the last one counts, and messages are merged.
-- +goose StatementBegin
CREATE FUNCTION sluice.read_request(request bytea, OUT workflow_id text, OUT workflow_type text, OUT task_queue text, OUT namespace text, OUT cron text,
    OUT delayed boolean, OUT reuse bigint, OUT conflict bigint)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    f record;
BEGIN
    FOR f IN SELECT * FROM sluice.wire_fields(request) w WHERE (w.field IN (1, 2, 3, 4, 13, 20) AND w.value IS NOT NULL OR w.field IN (11, 22) AND w.number IS NOT NULL) LOOP
        CASE f.field
        WHEN 1 THEN namespace := convert_from(f.value, 'UTF8');
        WHEN 2 THEN workflow_id := convert_from(f.value, 'UTF8');
        WHEN 3 THEN workflow_type := coalesce(sluice.last_name(f.value), workflow_type);
        WHEN 4 THEN task_queue := coalesce(sluice.last_name(f.value), task_queue);
        WHEN 11 THEN reuse := f.number & 4294967295;
        WHEN 13 THEN cron := convert_from(f.value, 'UTF8');
        WHEN 20 THEN delayed := octet_length(f.value) > 0 OR delayed;
        WHEN 22 THEN conflict := f.number & 4294967295;
        END CASE;
    END LOOP;
EXCEPTION WHEN SQLSTATE 'SL004' OR data_exception THEN
    RAISE EXCEPTION 'request is no StartWorkflowExecutionRequest: it %', SQLERRM USING ERRCODE = 'SL004', HINT = 'serialize the message itself, without a length or a frame around it';
END $$;
-- +goose StatementEnd

-- Whether a name that Temporal will get is one that it takes: 1 to 1,000 bytes that can be seen, none of its own.
-- +goose StatementBegin
CREATE FUNCTION sluice.check_temporal_name(what text, name text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF octet_length(name) NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION '% must have 1 to 1000 bytes, not %', what, octet_length(name) USING ERRCODE = 'SL013';
    ELSIF name ~ sluice.hidden() OR name ~ '^\s|\s$' THEN
        RAISE EXCEPTION '% must have characters that can be seen, without blanks around them, not %', what, to_json(left(name, 40)) USING ERRCODE = 'SL013';
    ELSIF name ~* '^(/_sys/|temporal-sys-|__temporal_)' THEN
        RAISE EXCEPTION '% % is reserved by Temporal', what, to_json(name) USING ERRCODE = 'SL013';
    END IF;
END $$;
-- +goose StatementEnd

-- What a workflow may not be: Sluice's own, another workspace's.
-- +goose StatementBegin
CREATE FUNCTION sluice.check_workflow(workspace uuid, workflow_type text, task_queue text, workflow_id text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF workflow_type IS NULL THEN
        RAISE EXCEPTION 'workflow_type is missing' USING ERRCODE = 'SL013', HINT = 'name the type by which your worker registers the workflow';
    END IF;
    PERFORM sluice.check_temporal_name('workflow_type', workflow_type), sluice.check_temporal_name('task_queue', task_queue),
        sluice.check_temporal_name('workflow_id', workflow_id);
    IF lower(workflow_type) IN ('dispatcher', 'execution', 'recovery') THEN
        RAISE EXCEPTION 'workflow_type % is a type of Sluice itself', to_json(workflow_type) USING ERRCODE = 'SL013', HINT = 'name one of your own; to run a definition call sluice.enqueue';
    ELSIF lower(task_queue) IN ('workflows.default', 'activities.external-api') THEN
        RAISE EXCEPTION 'task_queue % is Sluice''s own', to_json(task_queue) USING ERRCODE = 'SL013', HINT = 'name one that your workers serve';
    ELSIF lower(task_queue) LIKE 'workflow.workspace.%' AND task_queue <> 'workflow.workspace.' || workspace THEN
        RAISE EXCEPTION 'task_queue % is not that of workspace %', to_json(task_queue), workspace USING ERRCODE = 'SL013', HINT = 'leave it out to use the workspace''s';
    ELSIF workflow_id ~* '^(sluice-|execution-)' THEN
        RAISE EXCEPTION 'workflow_id % begins as those of Sluice itself do', to_json(workflow_id) USING ERRCODE = 'SL013', HINT = 'choose another id, or leave it out';
    END IF;
END $$;
-- +goose StatementEnd

-- The task queue of workflows of a workspace that name none.
CREATE FUNCTION sluice.task_queue_of(workspace uuid) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT replace(s.task_queue, '{workspace}', workspace::text) FROM sluice.settings s
$$;

-- How long a duration such as "1h30m" is, in seconds; NULL: it is none, or longer than a hundred years.
CREATE FUNCTION sluice.seconds(duration text) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT sum(m[1]::numeric * u.seconds)
    FROM regexp_matches(duration, '([0-9]+(\.[0-9]+)?)(ns|us|µs|ms|s|m|h)', 'g') AS m
    JOIN (VALUES ('h', 3600), ('m', 60), ('s', 1), ('ms', 1e-3), ('us', 1e-6), ('µs', 1e-6), ('ns', 1e-9)) AS u (unit, seconds) ON u.unit = m[3]
    WHERE octet_length(duration) <= 60 AND duration ~ '^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$'
    HAVING sum(m[1]::numeric * u.seconds) <= 3153600000
$$;

-- Says what is wrong with the options of a workflow.
-- +goose StatementBegin
CREATE FUNCTION sluice.check_options(options jsonb) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    key       text;
    value     jsonb;
    most      integer;
    right_one boolean;
BEGIN
    IF jsonb_typeof(options) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'options must be a JSON object, not %', coalesce(jsonb_typeof(options), 'NULL') USING ERRCODE = 'SL014';
    END IF;
    FOR key, value IN SELECT * FROM jsonb_each(options) LOOP
        CASE
        WHEN key IN ('executionTimeout', 'runTimeout', 'taskTimeout') THEN
            IF jsonb_typeof(value) <> 'string' OR sluice.seconds(value #>> '{}') IS NULL THEN
                RAISE EXCEPTION 'options.% must be a duration such as "90s" or "2h", not %', key, left(value::text, 40) USING ERRCODE = 'SL014';
            END IF;
        WHEN key IN ('retry', 'memo', 'searchAttributes') THEN
            IF jsonb_typeof(value) <> 'object' THEN
                RAISE EXCEPTION 'options.% must be a JSON object, not %', key, jsonb_typeof(value) USING ERRCODE = 'SL014';
            ELSIF key = 'searchAttributes' AND EXISTS (SELECT FROM jsonb_object_keys(value) AS k WHERE k LIKE 'Sluice%') THEN
                RAISE EXCEPTION 'options.searchAttributes must not have names that begin with Sluice: they are its own' USING ERRCODE = 'SL014';
            END IF;
        WHEN key IN ('summary', 'details') THEN
            most := CASE key WHEN 'summary' THEN 400 ELSE 20000 END;
            IF jsonb_typeof(value) <> 'string' OR octet_length(value #>> '{}') > most THEN
                RAISE EXCEPTION 'options.% must be a text of at most % bytes', key, most USING ERRCODE = 'SL014';
            END IF;
        WHEN key = 'onConflict' THEN
            IF value NOT IN ('"fail"', '"wait"') THEN
                RAISE EXCEPTION 'options.onConflict must be "fail" or "wait", not %', left(value::text, 40) USING ERRCODE = 'SL014';
            END IF;
        ELSE
            RAISE EXCEPTION 'options.% is not known', left(to_json(key)::text, 60) USING ERRCODE = 'SL014',
                HINT = 'there are executionTimeout, runTimeout, taskTimeout, retry, memo, searchAttributes, summary, details and onConflict';
        END CASE;
    END LOOP;
    FOR key, value IN SELECT r.* FROM jsonb_each(options -> 'retry') AS r LOOP
        right_one := CASE
            WHEN key IN ('initialInterval', 'maximumInterval') THEN jsonb_typeof(value) = 'string' AND sluice.seconds(value #>> '{}') IS NOT NULL
            WHEN key = 'backoffCoefficient' THEN jsonb_typeof(value) = 'number' AND (value::text)::numeric BETWEEN 1 AND 1000
            WHEN key = 'maximumAttempts' THEN jsonb_typeof(value) = 'number' AND (value::text)::numeric BETWEEN 0 AND 2147483647 AND strpos(value::text, '.') = 0
            WHEN key = 'nonRetryableErrorTypes' THEN jsonb_typeof(value) = 'array' AND NOT value @? 'strict $[*] ? (@.type() != "string")'
            ELSE false END;
        IF NOT right_one THEN
            RAISE EXCEPTION 'options.retry.% is not known or has a wrong value %', left(to_json(key)::text, 60), left(value::text, 40) USING ERRCODE = 'SL014',
                HINT = 'there are initialInterval and maximumInterval ("2s"), backoffCoefficient (1 to 1000), maximumAttempts and nonRetryableErrorTypes (texts)';
        END IF;
    END LOOP;
END $$;
-- +goose StatementEnd

-- The id of an item's workflow in Temporal, if it is a workflow and anything is known of it.
CREATE FUNCTION sluice.workflow_id_of(item uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(p.workflow_id, 'execution-' || p.id) FROM sluice.pending p WHERE p.id = item AND p.workflow_type IS NOT NULL
    UNION ALL
    SELECT coalesce(r.workflow_id, 'execution-' || r.id) FROM sluice.running r WHERE r.id = item AND r.workflow_type IS NOT NULL
    UNION ALL
    SELECT coalesce(e.workflow_id, 'execution-' || e.id) FROM sluice.ended e
    WHERE e.id = item AND e.ended_at >= sluice.made_at(item) AND e.workflow_type IS NOT NULL
$$;

-- The one way in for items of any kind, whose input or request the caller has measured. Answers {queueId, status, message},
-- and of a workflow {workflowId}.
DROP FUNCTION sluice.enqueue_item(uuid, uuid, jsonb, integer, timestamptz, text, timestamptz, text, text, interval, boolean);
-- +goose StatementBegin
CREATE FUNCTION sluice.enqueue_item(
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

-- What applications in any language call to have a workflow admitted. Each of args becomes a payload of its own, as JSON; a request
-- is a StartWorkflowExecutionRequest that is ready, and wins over type, task queue, id, args and options, but for onConflict.
-- Answers {queueId, status, message, workflowId}. Errors: SL001, SL004 to SL007, SL011, SL013, SL014.
-- +goose StatementBegin
CREATE FUNCTION sluice.enqueue_workflow(
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
        ELSIF named.delayed THEN
            RAISE EXCEPTION 'request has a start delay' USING ERRCODE = 'SL004', HINT = 'leave it out and pass available_at';
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

REVOKE EXECUTE ON FUNCTION sluice.check_workspace(uuid), sluice.workspace(text), sluice.task_queue_of(uuid),
    sluice.enqueue_workflow(uuid, text, text, jsonb, text, jsonb, bigint, timestamptz, timestamptz, text, bytea, text, text, interval) FROM PUBLIC;
-- Who could enqueue before can enqueue workflows too.
-- +goose StatementBegin
DO $$
DECLARE
    may text;
BEGIN
    FOR may IN
        SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
        FROM pg_proc f CROSS JOIN LATERAL aclexplode(f.proacl) AS a
        WHERE f.oid = 'sluice.enqueue(uuid, uuid, jsonb, bigint, timestamptz, text, timestamptz, text, text, interval)'::regprocedure
          AND a.privilege_type = 'EXECUTE' AND a.grantee <> f.proowner
    LOOP
        EXECUTE 'GRANT EXECUTE ON FUNCTION sluice.enqueue_workflow(uuid, text, text, jsonb, text, jsonb, bigint, timestamptz, timestamptz, text, bytea, text, text, interval), '
             || 'sluice.check_workspace(uuid), sluice.workspace(text), sluice.task_queue_of(uuid) TO ' || may;
    END LOOP;
END $$;
-- +goose StatementEnd

-- ---------------------------------------------------------------- what people and tools read

-- What an item was given: of a workflow its arguments, where they are JSON.
CREATE FUNCTION sluice.input_of(item uuid, input jsonb, workflow_type text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN workflow_type IS NULL THEN whole.input ELSE whole.input -> 'args' END
    FROM (SELECT coalesce(input_of.input, (SELECT i.input FROM sluice.inputs i WHERE i.id = item)) AS input) AS whole
$$;

CREATE OR REPLACE VIEW sluice.queue_items AS
    SELECT p.id, p.workspace_id, p.workflow_definition_id, sluice.input_of(p.id, p.input, p.workflow_type) AS input,
           p.priority, p.unique_key, 'PENDING' AS status, p.attempt_count, p.created_at, p.available_at, p.expires_at,
           NULL::timestamptz AS claimed_at, NULL::timestamptz AS dispatched_at, NULL::uuid AS execution_id, p.last_error AS error,
           p.workflow_type, p.task_queue, coalesce(p.workflow_id, 'execution-' || p.id) AS engine_workflow_id
    FROM sluice.pending p
    UNION ALL
    SELECT r.id, r.workspace_id, r.workflow_definition_id, sluice.input_of(r.id, r.input, r.workflow_type),
           r.priority, r.unique_key, CASE WHEN r.dispatched_at IS NULL THEN 'CLAIMED' ELSE 'DISPATCHED' END, r.attempt_count, r.created_at,
           r.available_at, r.expires_at, r.claimed_at, r.dispatched_at, r.id, CASE WHEN r.dispatched_at IS NULL THEN r.start_error END,
           r.workflow_type, r.task_queue, coalesce(r.workflow_id, 'execution-' || r.id)
    FROM sluice.running r
    UNION ALL
    SELECT e.id, e.workspace_id, e.workflow_definition_id, sluice.input_of(e.id, e.input, e.workflow_type),
           e.priority, e.unique_key, CASE WHEN e.reason IS NULL THEN 'DISPATCHED' ELSE e.status END, e.attempt_count, e.created_at,
           e.available_at, e.expires_at, CASE WHEN e.reason IS NULL THEN e.claimed_at END, CASE WHEN e.reason IS NULL THEN e.dispatched_at END,
           CASE WHEN e.reason IS NULL THEN e.id END, CASE WHEN e.reason IS NOT NULL THEN concat_ws(': ', e.reason, e.error ->> 'message') END,
           e.workflow_type, e.task_queue, coalesce(e.workflow_id, 'execution-' || e.id)
    FROM sluice.ended e;

CREATE OR REPLACE VIEW sluice.executions AS
    SELECT r.id, r.id AS queue_id, r.workspace_id, r.workflow_definition_id, r.workflow_version_id, coalesce(r.workflow_id, 'execution-' || r.id) AS engine_workflow_id,
           r.engine_run_id, 'RUNNING' AS status, r.trigger_type, r.dispatched_at AS started_at, NULL::timestamptz AS completed_at,
           NULL::bigint AS duration_ms, NULL::jsonb AS error, sluice.input_of(r.id, r.input, r.workflow_type) AS input,
           NULL::jsonb AS output, r.unserved_since,
           r.workflow_type, r.task_queue
    FROM sluice.running r WHERE r.dispatched_at IS NOT NULL
    UNION ALL
    SELECT e.id, e.id, e.workspace_id, e.workflow_definition_id, e.workflow_version_id, coalesce(e.workflow_id, 'execution-' || e.id),
           e.engine_run_id, e.status, e.trigger_type, e.dispatched_at, e.ended_at,
           round(extract(epoch FROM e.ended_at - e.dispatched_at) * 1000)::bigint, e.error,
           sluice.input_of(e.id, e.input, e.workflow_type), e.output, NULL,
           e.workflow_type, e.task_queue
    FROM sluice.ended e WHERE e.reason IS NULL;
