-- The first shape of Sluice. What waits, what is held and what is over live in tables of their own, because they
-- change at different rates: a claim deletes the row that waits and writes the record that stays, so the waiting
-- table never grows from being worked on. The views at the end are what people and tools read; they are kept stable.

-- +goose Up

-- ---------------------------------------------------------------- plans, workspaces, definitions

CREATE TABLE sluice.tiers (
    plan                     text PRIMARY KEY CHECK (plan ~ '^[A-Z][A-Z0-9_-]{0,62}$'),
    max_concurrent_workflows integer NOT NULL CHECK (max_concurrent_workflows >= 0),
    weight                   integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
    created_at               timestamptz NOT NULL DEFAULT now(),
    updated_at               timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sluice.tiers IS 'What each plan may use. Changes take effect in the next cycle; a cut drains, it kills nothing.';

INSERT INTO sluice.tiers (plan, max_concurrent_workflows, weight) VALUES
    ('FREE', 2, 1), ('STARTER', 5, 2), ('PRO', 20, 4), ('ENTERPRISE', 100, 8);

CREATE TABLE sluice.workspaces (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text NOT NULL CHECK (name <> ''),
    plan       text NOT NULL DEFAULT 'FREE' REFERENCES sluice.tiers (plan),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sluice.workflow_definitions (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id   uuid NOT NULL REFERENCES sluice.workspaces (id) ON DELETE CASCADE,
    name           text NOT NULL CHECK (name <> ''),
    version_number integer NOT NULL DEFAULT 1 CHECK (version_number > 0),
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, name)
);
COMMENT ON COLUMN sluice.workflow_definitions.version_number IS 'The current version: what executions claimed from now on run.';

CREATE TABLE sluice.workflow_definition_versions (
    id                     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workflow_definition_id uuid NOT NULL REFERENCES sluice.workflow_definitions (id) ON DELETE CASCADE,
    version_number         integer NOT NULL CHECK (version_number > 0),
    workflow               jsonb NOT NULL CHECK (jsonb_typeof(workflow) = 'object'),
    created_at             timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workflow_definition_id, version_number)
);

-- +goose StatementBegin
CREATE FUNCTION sluice.refuse_version_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'version % of definition % is immutable', OLD.version_number, OLD.workflow_definition_id
        USING ERRCODE = 'SL008', HINT = 'apply the definition again: that adds a version';
END $$;
-- +goose StatementEnd
CREATE TRIGGER immutable BEFORE UPDATE ON sluice.workflow_definition_versions
    FOR EACH ROW EXECUTE FUNCTION sluice.refuse_version_change();

-- ---------------------------------------------------------------- the queue: what waits

-- No foreign keys and no status: an insert locks nothing that another enqueue or the dispatcher waits for, and every
-- row here is PENDING. The index mirrors the claim's ORDER BY, one range for each (workspace, priority).
CREATE TABLE sluice.execution_queue (
    id                     uuid PRIMARY KEY,
    workspace_id           uuid NOT NULL,
    workflow_definition_id uuid NOT NULL,
    priority               smallint NOT NULL DEFAULT 3 CHECK (priority BETWEEN 1 AND 5),
    attempt_count          integer NOT NULL DEFAULT 0,
    created_at             timestamptz NOT NULL DEFAULT now(),
    available_at           timestamptz NOT NULL DEFAULT now(),
    expires_at             timestamptz,
    unique_key             text,
    trigger_type           text NOT NULL DEFAULT 'FUNCTION',
    enqueued_by            text NOT NULL,
    last_error             text,
    input                  jsonb NOT NULL DEFAULT '{}'
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_limit = 2000);
CREATE INDEX execution_queue_claim ON sluice.execution_queue (workspace_id, priority, available_at, id);
CREATE INDEX execution_queue_expiry ON sluice.execution_queue (expires_at) WHERE expires_at IS NOT NULL;

-- The first item of a unique key answers for it for ever, whatever became of the item.
CREATE TABLE sluice.unique_keys (
    workspace_id uuid NOT NULL,
    unique_key   text NOT NULL,
    queue_id     uuid NOT NULL,
    PRIMARY KEY (workspace_id, unique_key)
);

-- ---------------------------------------------------------------- executions, their inputs, their slots

-- An execution has the id of its queue item: one item, one execution, one workflow "execution-<id>", by construction.
CREATE TABLE sluice.workflow_executions (
    id                     uuid PRIMARY KEY,
    workspace_id           uuid NOT NULL,
    workflow_definition_id uuid NOT NULL,
    workflow_version_id    uuid,
    status                 text NOT NULL CHECK (status IN ('CLAIMED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED', 'TERMINATED', 'TIMED_OUT')),
    priority               smallint NOT NULL,
    attempt_count          integer NOT NULL,
    created_at             timestamptz NOT NULL,
    available_at           timestamptz NOT NULL,
    claimed_at             timestamptz NOT NULL,
    dispatched_at          timestamptz,
    completed_at           timestamptz,
    expires_at             timestamptz,
    unique_key             text,
    trigger_type           text NOT NULL,
    enqueued_by            text NOT NULL,
    engine_run_id          text,
    error                  jsonb,
    output                 jsonb,
    CONSTRAINT completed_or_open CHECK ((completed_at IS NULL) = (status IN ('CLAIMED', 'RUNNING')))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 20000);
CREATE INDEX workflow_executions_workspace ON sluice.workflow_executions (workspace_id, id);

-- Kept out of workflow_executions: that row is rewritten twice, and up to 256 KiB of input should not be.
CREATE TABLE sluice.execution_inputs (
    execution_id uuid PRIMARY KEY,
    input        jsonb NOT NULL
);

-- A row here is a held slot. The claim writes it, the outcome deletes it; it is the only thing that counts as usage.
CREATE TABLE sluice.slots (
    execution_id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL,
    epoch        bigint NOT NULL,
    cycle        bigint NOT NULL,
    claimed_at   timestamptz NOT NULL DEFAULT now(),
    dispatched   boolean NOT NULL DEFAULT false,
    checked_at   timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 10000);
CREATE INDEX slots_usage ON sluice.slots (workspace_id);
CREATE INDEX slots_undispatched ON sluice.slots (claimed_at) WHERE NOT dispatched;
COMMENT ON COLUMN sluice.slots.epoch IS 'Fencing token of the dispatcher run that holds the claim.';
COMMENT ON COLUMN sluice.slots.checked_at IS 'When reconciliation last compared this slot with its workflow.';

-- Items that ended without an execution, each with its reason.
CREATE TABLE sluice.refused_items (
    id                     uuid PRIMARY KEY,
    workspace_id           uuid NOT NULL,
    workflow_definition_id uuid NOT NULL,
    status                 text NOT NULL CHECK (status IN ('FAILED', 'CANCELLED', 'EXPIRED')),
    reason                 text NOT NULL,
    error                  text,
    actor                  text NOT NULL,
    refused_at             timestamptz NOT NULL DEFAULT now(),
    priority               smallint NOT NULL,
    attempt_count          integer NOT NULL,
    created_at             timestamptz NOT NULL,
    available_at           timestamptz NOT NULL,
    expires_at             timestamptz,
    unique_key             text,
    trigger_type           text NOT NULL,
    enqueued_by            text NOT NULL,
    input                  jsonb NOT NULL
);

-- ---------------------------------------------------------------- the dispatcher and its doorbell

-- One row for each dispatcher. epoch fences runs (the newest run owns the highest), cycle fences the steps of one run.
CREATE TABLE sluice.dispatchers (
    shard      integer PRIMARY KEY CHECK (shard >= 0),
    epoch      bigint NOT NULL DEFAULT 0,
    cycle      bigint NOT NULL DEFAULT 0,
    run_id     text NOT NULL DEFAULT '',
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 20);

-- Who waits for NOTIFY. Apart from dispatchers, so that parking never waits for a claim; enqueues only read it.
CREATE TABLE sluice.parked (
    shard     integer PRIMARY KEY,
    token     uuid NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now()
);

-- Insert-only: says which workspaces have new work or a freed slot. Read by transaction-id window, so a bell that
-- commits late is still heard; recovery deletes old ones.
CREATE TABLE sluice.doorbell (
    xid          xid8 NOT NULL DEFAULT pg_current_xact_id(),
    workspace_id uuid NOT NULL,
    rung_at      timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 20000);
CREATE INDEX doorbell_xid ON sluice.doorbell (xid);

-- +goose StatementBegin
CREATE FUNCTION sluice.ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sluice.doorbell (workspace_id) SELECT DISTINCT workspace_id FROM arrived;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER ring AFTER INSERT ON sluice.execution_queue
    REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION sluice.ring();

-- A changed limit or plan is news to the dispatcher too. The nil workspace stands for all of them.
-- +goose StatementBegin
CREATE FUNCTION sluice.ring_limits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sluice.doorbell (workspace_id) VALUES (coalesce((to_jsonb(NEW) ->> 'id')::uuid, '00000000-0000-0000-0000-000000000000'));
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER ring AFTER UPDATE OF max_concurrent_workflows, weight ON sluice.tiers
    FOR EACH ROW EXECUTE FUNCTION sluice.ring_limits();
CREATE TRIGGER ring AFTER UPDATE OF plan ON sluice.workspaces
    FOR EACH ROW EXECUTE FUNCTION sluice.ring_limits();

-- NOTIFY serialises all commits of a database on one lock, so it is sent only when somebody is parked. Deferred to
-- the commit: that is when the work becomes visible, however long the transaction was open.
-- +goose StatementBegin
CREATE FUNCTION sluice.notify_parked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM sluice.parked) THEN
        PERFORM pg_notify('sluice_doorbell', '');
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER notify_parked AFTER INSERT ON sluice.doorbell
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sluice.notify_parked();

-- ---------------------------------------------------------------- what leaves no other fact

CREATE TABLE sluice.activity_log (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor        text NOT NULL,
    action       text NOT NULL,
    workspace_id uuid,
    queue_id     uuid,
    reason       text,
    details      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX activity_log_item ON sluice.activity_log (queue_id) WHERE queue_id IS NOT NULL;

-- ---------------------------------------------------------------- enqueue

-- RFC 9562 version 7 with sub-millisecond order in rand_a: ids follow enqueue order.
-- +goose StatementBegin
CREATE FUNCTION sluice.uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(
        substring(int8send(floor(us / 1000)::bigint) FROM 3)
        || set_byte(set_byte(substring(uuid_send(gen_random_uuid()) FROM 7), 0, 112 | (frac >> 8)), 1, frac & 255), 'hex')::uuid
    FROM (SELECT us, floor((us % 1000) * 4.096)::int AS frac
          FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::numeric AS us) AS clock) AS parts
$$;
-- +goose StatementEnd

-- The one way in, for callers that have measured the input themselves. Answers {queueId, status, message}.
-- +goose StatementBegin
CREATE FUNCTION sluice.enqueue_item(
    workspace_id uuid, definition_id uuid, input jsonb, priority integer, available_at timestamptz,
    unique_key text, expires_at timestamptz, enqueued_by text, trigger_type text
) RETURNS jsonb LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    owner  uuid;
    item   uuid := sluice.uuid_v7();
    first  uuid;
    due    timestamptz := greatest(coalesce(available_at, now()), now());
BEGIN
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

-- The public function, for every language. Use named arguments; the input is measured as Postgres prints it.
-- +goose StatementBegin
CREATE FUNCTION sluice.enqueue(
    workspace_id uuid, definition_id uuid, input jsonb DEFAULT '{}', priority integer DEFAULT 3,
    available_at timestamptz DEFAULT NULL, unique_key text DEFAULT NULL, expires_at timestamptz DEFAULT NULL,
    enqueued_by text DEFAULT NULL, trigger_type text DEFAULT 'FUNCTION'
) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF octet_length(input::text) > 262144 THEN
        RAISE EXCEPTION 'input has % bytes, at most 262144 (256 KiB) are allowed', octet_length(input::text)
            USING ERRCODE = 'SL004', HINT = 'store large data elsewhere and pass a reference';
    END IF;
    RETURN sluice.enqueue_item(workspace_id, definition_id, coalesce(input, '{}'), coalesce(priority, 3), available_at,
        unique_key, expires_at, enqueued_by, trigger_type);
END $$;
-- +goose StatementEnd

-- ---------------------------------------------------------------- what people and tools read

CREATE VIEW sluice.queue_items AS
    SELECT q.id, q.workspace_id, q.workflow_definition_id, q.input, q.priority, q.unique_key, 'PENDING' AS status,
           q.attempt_count, q.created_at, q.available_at, q.expires_at, NULL::timestamptz AS claimed_at,
           NULL::timestamptz AS dispatched_at, NULL::uuid AS execution_id, q.last_error AS error
    FROM sluice.execution_queue q
    UNION ALL
    SELECT e.id, e.workspace_id, e.workflow_definition_id, i.input, e.priority, e.unique_key,
           CASE e.status WHEN 'CLAIMED' THEN 'CLAIMED' ELSE 'DISPATCHED' END,
           e.attempt_count, e.created_at, e.available_at, e.expires_at, e.claimed_at, e.dispatched_at, e.id, NULL::text
    FROM sluice.workflow_executions e LEFT JOIN sluice.execution_inputs i ON i.execution_id = e.id
    UNION ALL
    SELECT r.id, r.workspace_id, r.workflow_definition_id, r.input, r.priority, r.unique_key, r.status,
           r.attempt_count, r.created_at, r.available_at, r.expires_at, NULL, NULL, NULL, concat_ws(': ', r.reason, r.error)
    FROM sluice.refused_items r;
COMMENT ON VIEW sluice.queue_items IS 'Every item ever enqueued: PENDING CLAIMED DISPATCHED FAILED CANCELLED EXPIRED.';

CREATE VIEW sluice.executions AS
    SELECT e.id, e.id AS queue_id, e.workspace_id, e.workflow_definition_id, e.workflow_version_id,
           'execution-' || e.id AS engine_workflow_id, e.engine_run_id, e.status, e.trigger_type,
           e.dispatched_at AS started_at, e.completed_at,
           round(extract(epoch FROM e.completed_at - e.dispatched_at) * 1000)::bigint AS duration_ms,
           e.error, i.input, e.output
    FROM sluice.workflow_executions e LEFT JOIN sluice.execution_inputs i ON i.execution_id = e.id
    WHERE e.status <> 'CLAIMED';
COMMENT ON VIEW sluice.executions IS 'Every workflow started: RUNNING COMPLETED FAILED CANCELLED TERMINATED TIMED_OUT.';

CREATE VIEW sluice.activity AS
    SELECT q.created_at AS at, q.enqueued_by AS actor, 'enqueued' AS action, q.workspace_id, q.id AS queue_id,
           NULL::uuid AS execution_id, NULL::text AS reason, '{}'::jsonb AS details
    FROM sluice.execution_queue q
    UNION ALL
    SELECT r.created_at, r.enqueued_by, 'enqueued', r.workspace_id, r.id, NULL, NULL, '{}' FROM sluice.refused_items r
    UNION ALL
    SELECT r.refused_at, r.actor, lower(r.status), r.workspace_id, r.id, NULL, r.reason,
           jsonb_strip_nulls(jsonb_build_object('error', r.error)) FROM sluice.refused_items r
    UNION ALL
    SELECT e.created_at, e.enqueued_by, 'enqueued', e.workspace_id, e.id, NULL, NULL, '{}' FROM sluice.workflow_executions e
    UNION ALL
    SELECT e.claimed_at, 'dispatcher', 'claimed', e.workspace_id, e.id, e.id, NULL, '{}' FROM sluice.workflow_executions e
    UNION ALL
    SELECT e.dispatched_at, 'dispatcher', 'dispatched', e.workspace_id, e.id, e.id, NULL,
           jsonb_build_object('runId', e.engine_run_id)
    FROM sluice.workflow_executions e WHERE e.dispatched_at IS NOT NULL
    UNION ALL
    SELECT e.completed_at, 'execution', lower(e.status), e.workspace_id, e.id, e.id, NULL,
           jsonb_strip_nulls(jsonb_build_object('error', e.error))
    FROM sluice.workflow_executions e WHERE e.completed_at IS NOT NULL
    UNION ALL
    SELECT l.at, l.actor, l.action, l.workspace_id, l.queue_id, NULL, l.reason, l.details FROM sluice.activity_log l;
COMMENT ON VIEW sluice.activity IS 'Who did what when: every transition of every item, and every operator action.';
