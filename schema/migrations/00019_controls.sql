-- What an operator holds for a while: pauses, and limits for a time. What he does to many items: replays.

-- +goose Up

-- ---------------------------------------------------------------- pauses

-- What nothing is claimed of. A row without a workspace is about all of them; one without a type and a definition about everything of
-- its workspace. Limits stay what they are. One whose time is over does not hold any more, and is deleted by the next change.
CREATE TABLE sluice.pauses (
    id                     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id           uuid REFERENCES sluice.workspaces (id) ON DELETE CASCADE,
    workflow_type          text CHECK (octet_length(workflow_type) BETWEEN 1 AND 1000),
    workflow_definition_id uuid REFERENCES sluice.workflow_definitions (id) ON DELETE CASCADE,
    actor                  text NOT NULL CHECK (char_length(actor) BETWEEN 1 AND 200),
    reason                 text CHECK (char_length(reason) BETWEEN 1 AND 1000),
    since                  timestamptz NOT NULL DEFAULT clock_timestamp(),
    until                  timestamptz CHECK (isfinite(until)),
    CHECK (num_nonnulls(workflow_type, workflow_definition_id) <= 1),
    CHECK (workflow_definition_id IS NULL OR workspace_id IS NULL)
);
CREATE UNIQUE INDEX pauses_one ON sluice.pauses (
    coalesce(workspace_id, '00000000-0000-0000-0000-000000000000'), coalesce(workflow_type, ''), coalesce(workflow_definition_id, '00000000-0000-0000-0000-000000000000'));
CREATE INDEX pauses_workspace ON sluice.pauses (workspace_id) WHERE workspace_id IS NOT NULL;
CREATE INDEX pauses_type ON sluice.pauses (workflow_type) WHERE workflow_type IS NOT NULL;
CREATE INDEX pauses_definition ON sluice.pauses (workflow_definition_id) WHERE workflow_definition_id IS NOT NULL;
COMMENT ON TABLE sluice.pauses IS 'What nothing is claimed of; change it with: starter pause, starter resume.';
COMMENT ON COLUMN sluice.pauses.workspace_id IS 'NULL: all workspaces, or the one that owns the definition.';
COMMENT ON COLUMN sluice.pauses.until IS 'By the clock of the database; NULL: until it is resumed.';

-- Those that hold now, each with the workspace that it is about.
CREATE VIEW sluice.pauses_in_force AS
    SELECT p.id, coalesce(p.workspace_id, d.workspace_id) AS workspace_id, p.workflow_type, p.workflow_definition_id, p.actor, p.reason, p.since, p.until
    FROM sluice.pauses p LEFT JOIN sluice.workflow_definitions d ON d.id = p.workflow_definition_id
    WHERE p.until IS NULL OR p.until > now();
COMMENT ON VIEW sluice.pauses_in_force IS 'The pauses that hold now; workspace_id NULL: all workspaces.';

ALTER TABLE sluice.turns DROP CONSTRAINT turns_kind_check, ADD CONSTRAINT turns_kind_check CHECK (kind IN (
    'first', 'run', 'claim', 'requeue', 'handover', 'limits', 'definitions', 'regained', 'settings', 'owners', 'allotment', 'pauses'));

-- A change takes the next turn of whom it is about, and so waits for a claim that is under way, and no claim that was planned before it
-- commits after it. It is written down after that: an audit judges claims by it.
-- +goose StatementBegin
CREATE FUNCTION sluice.pause_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    p     sluice.pauses;
    owner uuid;
BEGIN
    IF TG_OP = 'DELETE' THEN
        p := OLD;
        IF p.until <= now() THEN
            RETURN NULL; -- it held no more
        END IF;
    ELSE
        p := NEW;
    END IF;
    owner := coalesce(p.workspace_id, (SELECT d.workspace_id FROM sluice.workflow_definitions d WHERE d.id = p.workflow_definition_id));
    IF owner IS NULL THEN
        PERFORM sluice.take_turns('pauses', NULL);
    ELSE
        PERFORM sluice.take_owners_turn('pauses', owner);
    END IF;
    INSERT INTO sluice.limit_changes (actor, action, workspace_id, details)
        VALUES (CASE TG_OP WHEN 'DELETE' THEN coalesce(nullif(current_setting('sluice.actor', true), ''), nullif(current_setting('application_name'), ''), session_user) ELSE p.actor END,
                CASE TG_OP WHEN 'DELETE' THEN 'resumed' ELSE 'paused' END, owner,
                jsonb_strip_nulls(jsonb_build_object('workflowType', p.workflow_type, 'definitionId', p.workflow_definition_id,
                    'reason', CASE TG_OP WHEN 'DELETE' THEN nullif(current_setting('sluice.reason', true), '') ELSE p.reason END,
                    'until', CASE WHEN TG_OP <> 'DELETE' THEN p.until END)));
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER turn AFTER INSERT OR UPDATE OR DELETE ON sluice.pauses DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION sluice.pause_changed();

-- ---------------------------------------------------------------- limits for a time

-- What a workspace may use until a time instead of its own limit or its plan's. It falls back by itself.
CREATE TABLE sluice.temporary_limits (
    workspace_id uuid NOT NULL REFERENCES sluice.workspaces (id) ON DELETE CASCADE,
    name         text NOT NULL,
    value        double precision NOT NULL,
    until        timestamptz NOT NULL CHECK (isfinite(until)),
    actor        text NOT NULL CHECK (char_length(actor) BETWEEN 1 AND 200),
    reason       text CHECK (char_length(reason) BETWEEN 1 AND 1000),
    PRIMARY KEY (workspace_id, name),
    CONSTRAINT temporary_limits_value CHECK (CASE name
        WHEN 'max_concurrent_workflows' THEN value BETWEEN 0 AND 2147483647
        WHEN 'nominal_quota' THEN value BETWEEN 0 AND 2147483647
        WHEN 'borrowing_limit' THEN value BETWEEN 0 AND 2147483647
        WHEN 'lending_limit' THEN value BETWEEN 0 AND 2147483647
        WHEN 'weight' THEN value BETWEEN 1 AND 1000
        WHEN 'burst' THEN value BETWEEN 1 AND 2147483647
        WHEN 'starts_per_second' THEN value BETWEEN 0.000001 AND 1000000
        ELSE false END)
);
COMMENT ON TABLE sluice.temporary_limits IS 'Limits of workspaces that hold until a time; change them with: starter workspace set --for.';
COMMENT ON COLUMN sluice.temporary_limits.name IS 'As the column of sluice.workspaces.';

-- What is set for each workspace, with the limits for a time laid over it. until: when the first of these ends.
CREATE VIEW sluice.workspaces_now AS
    SELECT w.id, w.name, w.plan, w.cohort,
           coalesce(x.max_concurrent_workflows::integer, w.max_concurrent_workflows) AS max_concurrent_workflows,
           coalesce(x.weight::integer, w.weight) AS weight,
           coalesce(x.nominal_quota::integer, w.nominal_quota) AS nominal_quota,
           coalesce(x.borrowing_limit::integer, w.borrowing_limit) AS borrowing_limit,
           coalesce(x.lending_limit::integer, w.lending_limit) AS lending_limit,
           coalesce(x.starts_per_second, w.starts_per_second) AS starts_per_second,
           coalesce(x.burst::integer, w.burst) AS burst,
           x.until
    FROM sluice.workspaces w
    LEFT JOIN (
        SELECT l.workspace_id, min(l.until) AS until,
               max(l.value) FILTER (WHERE l.name = 'max_concurrent_workflows') AS max_concurrent_workflows,
               max(l.value) FILTER (WHERE l.name = 'weight') AS weight,
               max(l.value) FILTER (WHERE l.name = 'nominal_quota') AS nominal_quota,
               max(l.value) FILTER (WHERE l.name = 'borrowing_limit') AS borrowing_limit,
               max(l.value) FILTER (WHERE l.name = 'lending_limit') AS lending_limit,
               max(l.value) FILTER (WHERE l.name = 'starts_per_second') AS starts_per_second,
               max(l.value) FILTER (WHERE l.name = 'burst') AS burst
        FROM sluice.temporary_limits l WHERE l.until > now() GROUP BY l.workspace_id
    ) AS x ON x.workspace_id = w.id;

CREATE OR REPLACE VIEW sluice.quotas AS
    SELECT w.id AS workspace_id, w.name, w.plan, w.cohort,
           coalesce(w.max_concurrent_workflows, t.max_concurrent_workflows) AS ceiling,
           least(coalesce(w.nominal_quota, t.nominal_quota, w.max_concurrent_workflows, t.max_concurrent_workflows),
                 coalesce(w.max_concurrent_workflows, t.max_concurrent_workflows)) AS nominal,
           coalesce(w.borrowing_limit, t.borrowing_limit) AS borrowing_limit,
           coalesce(w.weight, t.weight) AS weight,
           coalesce(w.starts_per_second, t.starts_per_second) AS starts_per_second,
           CASE WHEN coalesce(w.starts_per_second, t.starts_per_second) IS NOT NULL THEN
               coalesce(w.burst, t.burst, greatest(1, ceil(coalesce(w.starts_per_second, t.starts_per_second)))::int) END AS burst,
           coalesce(w.lending_limit, t.lending_limit) AS lending_limit,
           w.until
    FROM sluice.workspaces_now w JOIN sluice.tiers t ON t.plan = w.plan;
COMMENT ON VIEW sluice.quotas IS 'What each workspace may use now: what is set for it, for a time or for good, else what its plan says. until: when the first of those for a time ends.';

-- A change takes the next turn, as that of a limit for good does, once for each workspace of a transaction. Each is written down after
-- that by itself, with its end: an audit judges claims by it.
-- +goose StatementBegin
CREATE FUNCTION sluice.temporary_limit_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    l sluice.temporary_limits;
BEGIN
    IF TG_OP = 'DELETE' THEN
        l := OLD;
        IF l.until <= now() THEN
            RETURN NULL; -- it held no more
        END IF;
    ELSE
        l := NEW;
    END IF;
    IF coalesce(current_setting('sluice.temporary_of', true), '') <> l.workspace_id::text THEN
        PERFORM set_config('sluice.temporary_of', l.workspace_id::text, true), sluice.take_owners_turn('limits', l.workspace_id);
    END IF;
    INSERT INTO sluice.limit_changes (actor, action, workspace_id, details)
        VALUES (coalesce(nullif(current_setting('sluice.actor', true), ''), nullif(current_setting('application_name'), ''), session_user),
                CASE TG_OP WHEN 'DELETE' THEN 'temporary-limit-ended' ELSE 'temporary-limit-set' END, l.workspace_id,
                jsonb_strip_nulls(jsonb_build_object('limit', l.name, 'to', CASE WHEN TG_OP <> 'DELETE' THEN l.value END,
                    'until', CASE WHEN TG_OP <> 'DELETE' THEN l.until END, 'reason', CASE WHEN TG_OP <> 'DELETE' THEN l.reason END)));
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER turn AFTER INSERT OR UPDATE OR DELETE ON sluice.temporary_limits DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION sluice.temporary_limit_changed();

-- ---------------------------------------------------------------- many items

COMMENT ON COLUMN sluice.events.priority IS 'Of the one item. Of several: they have been given another place, and their lines are read at once.';

-- Which item was enqueued to do again what another has failed to do: once for each.
CREATE TABLE sluice.replays (
    replay_of    uuid PRIMARY KEY,
    queue_id     uuid NOT NULL UNIQUE,
    workspace_id uuid NOT NULL,
    at           timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sluice.replays IS 'queue_id is a new item with the request of replay_of, whose execution did not complete.';

-- Who could read items before still can.
-- +goose StatementBegin
DO $$
DECLARE
    may text;
BEGIN
    FOR may IN
        SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.oid = 'sluice.pending'::regclass AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
    LOOP
        EXECUTE 'GRANT SELECT ON sluice.replays TO ' || may;
    END LOOP;
END $$;
-- +goose StatementEnd

CREATE OR REPLACE VIEW sluice.queue_items AS
    SELECT p.id, p.workspace_id, p.workflow_definition_id, sluice.input_of(p.id, p.input, p.workflow_type) AS input,
           p.priority, p.unique_key, 'PENDING' AS status, p.attempt_count, p.created_at, p.available_at, p.expires_at,
           NULL::timestamptz AS claimed_at, NULL::timestamptz AS dispatched_at, NULL::uuid AS execution_id, p.last_error AS error,
           p.workflow_type, p.task_queue, coalesce(p.workflow_id, 'execution-' || p.id) AS engine_workflow_id,
           (SELECT x.replay_of FROM sluice.replays x WHERE x.queue_id = p.id) AS replay_of
    FROM sluice.pending p
    UNION ALL
    SELECT r.id, r.workspace_id, r.workflow_definition_id, sluice.input_of(r.id, r.input, r.workflow_type),
           r.priority, r.unique_key, CASE WHEN r.dispatched_at IS NULL THEN 'CLAIMED' ELSE 'DISPATCHED' END, r.attempt_count, r.created_at,
           r.available_at, r.expires_at, r.claimed_at, r.dispatched_at, r.id, CASE WHEN r.dispatched_at IS NULL THEN r.start_error END,
           r.workflow_type, r.task_queue, coalesce(r.workflow_id, 'execution-' || r.id),
           (SELECT x.replay_of FROM sluice.replays x WHERE x.queue_id = r.id)
    FROM sluice.running r
    UNION ALL
    SELECT e.id, e.workspace_id, e.workflow_definition_id, sluice.input_of(e.id, e.input, e.workflow_type),
           e.priority, e.unique_key, CASE WHEN e.reason IS NULL THEN 'DISPATCHED' ELSE e.status END, e.attempt_count, e.created_at,
           e.available_at, e.expires_at, CASE WHEN e.reason IS NULL THEN e.claimed_at END, CASE WHEN e.reason IS NULL THEN e.dispatched_at END,
           CASE WHEN e.reason IS NULL THEN e.id END, CASE WHEN e.reason IS NOT NULL THEN concat_ws(': ', e.reason, e.error ->> 'message') END,
           e.workflow_type, e.task_queue, coalesce(e.workflow_id, 'execution-' || e.id),
           (SELECT x.replay_of FROM sluice.replays x WHERE x.queue_id = e.id)
    FROM sluice.ended e;
