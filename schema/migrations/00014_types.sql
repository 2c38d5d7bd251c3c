-- Items that are workflows, for those who look at them: what changed and who did it, types that nobody has, lists of a type.

-- +goose Up

-- ---------------------------------------------------------------- what is on record

-- It writes as the owner of the schema: a role that may only enqueue creates a workspace where that is allowed.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.log_limit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who    text := coalesce(nullif(current_setting('sluice.actor', true), ''), nullif(current_setting('application_name'), ''), session_user);
    row    jsonb := to_jsonb(NEW);
    limits jsonb := jsonb_strip_nulls(jsonb_build_object(
        'maxConcurrentWorkflows', row -> 'max_concurrent_workflows', 'nominalQuota', row -> 'nominal_quota',
        'borrowingLimit', row -> 'borrowing_limit', 'weight', row -> 'weight', 'startsPerSecond', row -> 'starts_per_second',
        'burst', row -> 'burst', 'cohort', row -> 'cohort', 'ageingStep', row -> 'ageing_step', 'shards', row -> 'shards',
        'retention', row -> 'retention', 'autoCreatePlan', row -> 'auto_create_plan', 'taskQueue', row -> 'task_queue'));
BEGIN
    CASE TG_TABLE_NAME
    WHEN 'tiers' THEN
        INSERT INTO sluice.limit_changes (actor, action, details) VALUES (who, 'tier-changed', limits || jsonb_build_object('plan', NEW.plan));
    WHEN 'settings' THEN
        INSERT INTO sluice.limit_changes (actor, action, details) VALUES (who, 'settings-changed', limits);
    ELSE
        INSERT INTO sluice.limit_changes (actor, action, workspace_id, details)
            VALUES (who, CASE WHEN TG_OP = 'INSERT' THEN 'workspace-created' WHEN OLD.plan = NEW.plan THEN 'limits-changed' ELSE 'plan-changed' END,
                    NEW.id, limits || jsonb_build_object('plan', NEW.plan) || CASE WHEN TG_OP = 'INSERT' THEN jsonb_strip_nulls(jsonb_build_object('name', NEW.name, 'externalKey', NEW.external_key)) ELSE '{}' END);
    END CASE;
    RETURN NULL;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION sluice.log_limit() FROM PUBLIC;

DROP TRIGGER log_changed ON sluice.settings;
CREATE CONSTRAINT TRIGGER log_changed AFTER UPDATE ON sluice.settings DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.max_concurrent_workflows, OLD.ageing_step, OLD.shards, OLD.retention, OLD.auto_create_plan, OLD.task_queue)
        IS DISTINCT FROM (NEW.max_concurrent_workflows, NEW.ageing_step, NEW.shards, NEW.retention, NEW.auto_create_plan, NEW.task_queue))
    EXECUTE FUNCTION sluice.log_limit();

-- ---------------------------------------------------------------- types

-- A page of a listing of one type is read from the end of this: each class of what has ended is asked for by its status.
CREATE INDEX ended_type ON sluice.ended (workflow_type, status, id) WHERE workflow_type IS NOT NULL;

-- Workflows of one's own on their workspace's task queue may be served by workers that do not tell of themselves, in any language. So
-- their type is only missing where nobody carries them on.
CREATE OR REPLACE VIEW sluice.missing_types AS
    SELECT n.workspace_id, n.workflow_type, n.executions
    FROM (
        SELECT t.workspace_id, t.workflow_type, sum(t.n)::bigint AS executions
        FROM (
            SELECT r.workspace_id, named.workflow_type, r.n
            FROM (SELECT r.workspace_id, r.workflow_version_id, count(*) AS n FROM sluice.running r GROUP BY 1, 2) AS r
            JOIN sluice.workflow_definition_versions v ON v.id = r.workflow_version_id
            CROSS JOIN LATERAL unnest(v.workflow_types) AS named (workflow_type)
            UNION ALL
            SELECT r.workspace_id, r.workflow_type, count(*)
            FROM sluice.running r WHERE r.unserved_since IS NOT NULL AND r.task_queue = 'workflow.workspace.' || r.workspace_id GROUP BY 1, 2
        ) AS t
        GROUP BY 1, 2
    ) AS n
    WHERE NOT EXISTS (SELECT FROM sluice.live_workers w WHERE w.any_workflow OR n.workflow_type = ANY (w.workflow_types));
