-- What fairness counts, how much a workspace lends, and what is known of how long executions take.

-- +goose Up

ALTER TABLE sluice.settings ADD COLUMN fairness text NOT NULL DEFAULT 'slot-time' CHECK (fairness IN ('slot-time', 'starts'));
COMMENT ON COLUMN sluice.settings.fairness IS 'What workspaces share by weight: the time for which slots are held, or starts.';

ALTER TABLE sluice.tiers ADD COLUMN lending_limit integer CHECK (lending_limit >= 0);
ALTER TABLE sluice.workspaces ADD COLUMN lending_limit integer CHECK (lending_limit >= 0);
COMMENT ON COLUMN sluice.tiers.lending_limit IS 'Slots of nominal_quota that a workspace leaves to its cohort while they are idle; NULL: all of them.';

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
           coalesce(w.lending_limit, t.lending_limit) AS lending_limit
    FROM sluice.workspaces w JOIN sluice.tiers t ON t.plan = w.plan;

-- Kept with the virtual times, so that a dispatcher that begins has an idea. In seconds; NULL: nothing is known.
ALTER TABLE sluice.virtual_times ADD COLUMN slot_time double precision;
ALTER TABLE sluice.clocks ADD COLUMN slot_time double precision;
ALTER TABLE sluice.clocks ADD COLUMN longest double precision;
COMMENT ON COLUMN sluice.virtual_times.slot_time IS 'For how long executions of the workspace have held their slots of late, on average, in seconds.';
COMMENT ON COLUMN sluice.clocks.slot_time IS 'The same of all workspaces of the shard; only where cohort is empty.';
COMMENT ON COLUMN sluice.clocks.longest IS 'The longest of late, in seconds; only where cohort is empty.';

-- ---------------------------------------------------------------- what a change takes and writes

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.log_limit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who    text := coalesce(nullif(current_setting('sluice.actor', true), ''), nullif(current_setting('application_name'), ''), session_user);
    row    jsonb := to_jsonb(NEW);
    limits jsonb := jsonb_strip_nulls(jsonb_build_object(
        'maxConcurrentWorkflows', row -> 'max_concurrent_workflows', 'nominalQuota', row -> 'nominal_quota',
        'borrowingLimit', row -> 'borrowing_limit', 'lendingLimit', row -> 'lending_limit', 'weight', row -> 'weight', 'startsPerSecond', row -> 'starts_per_second',
        'burst', row -> 'burst', 'cohort', row -> 'cohort', 'ageingStep', row -> 'ageing_step', 'shards', row -> 'shards',
        'retention', row -> 'retention', 'autoCreatePlan', row -> 'auto_create_plan', 'taskQueue', row -> 'task_queue', 'fairness', row -> 'fairness'));
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

DROP TRIGGER turn ON sluice.settings;
CREATE CONSTRAINT TRIGGER turn AFTER UPDATE ON sluice.settings DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.max_concurrent_workflows, OLD.ageing_step, OLD.shards, OLD.fairness)
        IS DISTINCT FROM (NEW.max_concurrent_workflows, NEW.ageing_step, NEW.shards, NEW.fairness))
    EXECUTE FUNCTION sluice.turn_changed();
DROP TRIGGER write_changed ON sluice.settings;
CREATE CONSTRAINT TRIGGER write_changed AFTER UPDATE ON sluice.settings DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.max_concurrent_workflows, OLD.ageing_step, OLD.shards, OLD.retention, OLD.auto_create_plan, OLD.task_queue, OLD.fairness)
        IS DISTINCT FROM (NEW.max_concurrent_workflows, NEW.ageing_step, NEW.shards, NEW.retention, NEW.auto_create_plan, NEW.task_queue, NEW.fairness))
    EXECUTE FUNCTION sluice.log_limit();
DROP TRIGGER write_changed ON sluice.tiers;
CREATE CONSTRAINT TRIGGER write_changed AFTER UPDATE ON sluice.tiers DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.max_concurrent_workflows, OLD.weight, OLD.nominal_quota, OLD.borrowing_limit, OLD.lending_limit, OLD.starts_per_second, OLD.burst)
        IS DISTINCT FROM (NEW.max_concurrent_workflows, NEW.weight, NEW.nominal_quota, NEW.borrowing_limit, NEW.lending_limit, NEW.starts_per_second, NEW.burst))
    EXECUTE FUNCTION sluice.log_limit();
DROP TRIGGER write_changed ON sluice.workspaces;
CREATE CONSTRAINT TRIGGER write_changed AFTER UPDATE ON sluice.workspaces DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.plan, OLD.max_concurrent_workflows, OLD.weight, OLD.nominal_quota, OLD.borrowing_limit, OLD.lending_limit, OLD.starts_per_second, OLD.burst, OLD.cohort)
        IS DISTINCT FROM (NEW.plan, NEW.max_concurrent_workflows, NEW.weight, NEW.nominal_quota, NEW.borrowing_limit, NEW.lending_limit, NEW.starts_per_second, NEW.burst, NEW.cohort))
    EXECUTE FUNCTION sluice.log_limit();
