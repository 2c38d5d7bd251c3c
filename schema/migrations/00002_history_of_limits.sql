-- Which limit was in force when? A limit may be changed by the CLI or by an UPDATE in psql; both must leave a trace, or
-- nobody can tell afterwards whether a claim was right. So triggers write the log, and not the callers.

-- +goose Up

-- Who it was: what the session calls itself in sluice.actor (SET LOCAL sluice.actor = 'ann'), else its
-- application_name, else its user. Deferred to the commit, when the change takes effect, however long its transaction
-- was open: a row that is logged was in force from then on.
-- +goose StatementBegin
CREATE FUNCTION sluice.log_limit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    actor text := coalesce(nullif(current_setting('sluice.actor', true), ''), nullif(current_setting('application_name'), ''), session_user);
BEGIN
    IF TG_TABLE_NAME = 'tiers' THEN
        INSERT INTO sluice.activity_log (actor, action, details) VALUES (actor, 'tier-changed', jsonb_build_object(
            'plan', NEW.plan, 'maxConcurrentWorkflows', NEW.max_concurrent_workflows, 'weight', NEW.weight));
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO sluice.activity_log (actor, action, workspace_id, details)
            VALUES (actor, 'workspace-created', NEW.id, jsonb_build_object('name', NEW.name, 'plan', NEW.plan));
    ELSE
        INSERT INTO sluice.activity_log (actor, action, workspace_id, details)
            VALUES (actor, 'plan-changed', NEW.id, jsonb_build_object('plan', NEW.plan));
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER log_created AFTER INSERT ON sluice.tiers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sluice.log_limit();
CREATE CONSTRAINT TRIGGER log_changed AFTER UPDATE ON sluice.tiers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.plan, OLD.max_concurrent_workflows, OLD.weight) IS DISTINCT FROM (NEW.plan, NEW.max_concurrent_workflows, NEW.weight))
    EXECUTE FUNCTION sluice.log_limit();
CREATE CONSTRAINT TRIGGER log_created AFTER INSERT ON sluice.workspaces
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sluice.log_limit();
CREATE CONSTRAINT TRIGGER log_changed AFTER UPDATE ON sluice.workspaces
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.plan IS DISTINCT FROM NEW.plan)
    EXECUTE FUNCTION sluice.log_limit();

-- What is in force now, as the beginning of the history. What was logged before missed changes, so it is not read.
INSERT INTO sluice.activity_log (actor, action, details)
    SELECT 'migration', 'tier-recorded', jsonb_build_object('plan', plan, 'maxConcurrentWorkflows', max_concurrent_workflows, 'weight', weight)
    FROM sluice.tiers ORDER BY plan;
INSERT INTO sluice.activity_log (actor, action, workspace_id, details)
    SELECT 'migration', 'plan-recorded', id, jsonb_build_object('plan', plan) FROM sluice.workspaces ORDER BY id;

CREATE INDEX activity_log_limits ON sluice.activity_log (id)
    WHERE action IN ('tier-recorded', 'tier-changed', 'plan-recorded', 'workspace-created', 'plan-changed');
