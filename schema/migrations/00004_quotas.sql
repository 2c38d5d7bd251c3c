-- Quotas beyond a plan's limit: guaranteed shares that may be lent, a global limit, rates, and what a single workspace
-- may use. And where each workspace stands in line: the claim moves that on in its own statement, by what it has taken.

-- +goose Up

-- ---------------------------------------------------------------- what may be used

ALTER TABLE sluice.tiers
    ADD COLUMN nominal_quota     integer CHECK (nominal_quota >= 0),
    ADD COLUMN borrowing_limit   integer CHECK (borrowing_limit >= 0),
    ADD COLUMN starts_per_second double precision CHECK (starts_per_second > 0 AND starts_per_second <= 1000000),
    ADD COLUMN burst             integer CHECK (burst >= 1);
COMMENT ON COLUMN sluice.tiers.nominal_quota IS 'Guaranteed to each workspace of the plan; NULL: all of max_concurrent_workflows.';
COMMENT ON COLUMN sluice.tiers.borrowing_limit IS 'Slots above nominal_quota that a workspace may borrow; NULL: up to max_concurrent_workflows.';
COMMENT ON COLUMN sluice.tiers.starts_per_second IS 'Of each workspace of the plan; NULL: not bounded.';
COMMENT ON COLUMN sluice.tiers.burst IS 'Starts at once after a rest; NULL: those of one second, at least 1.';

-- What is not NULL here holds for this workspace instead of what its plan says.
ALTER TABLE sluice.workspaces
    ADD COLUMN max_concurrent_workflows integer CHECK (max_concurrent_workflows >= 0),
    ADD COLUMN nominal_quota            integer CHECK (nominal_quota >= 0),
    ADD COLUMN borrowing_limit          integer CHECK (borrowing_limit >= 0),
    ADD COLUMN weight                   integer CHECK (weight BETWEEN 1 AND 1000),
    ADD COLUMN starts_per_second        double precision CHECK (starts_per_second > 0 AND starts_per_second <= 1000000),
    ADD COLUMN burst                    integer CHECK (burst >= 1),
    ADD COLUMN cohort                   text CHECK (cohort ~ '^[a-z0-9][a-z0-9_-]{0,62}$');
CREATE INDEX workspaces_cohort ON sluice.workspaces (cohort) WHERE cohort IS NOT NULL;
COMMENT ON COLUMN sluice.workspaces.cohort IS 'Its members lend one another what they leave idle of their nominal quotas.';

-- One row.
CREATE TABLE sluice.settings (
    one                      boolean PRIMARY KEY DEFAULT true CHECK (one),
    max_concurrent_workflows integer CHECK (max_concurrent_workflows >= 0),
    ageing_step              interval NOT NULL DEFAULT '5 minutes' CHECK (ageing_step BETWEEN interval '0' AND interval '365 days'),
    updated_at               timestamptz NOT NULL DEFAULT now()
);
INSERT INTO sluice.settings DEFAULT VALUES;
COMMENT ON COLUMN sluice.settings.max_concurrent_workflows IS 'Of all workspaces together; NULL: not bounded.';
COMMENT ON COLUMN sluice.settings.ageing_step IS 'The head start of a priority against the next one: a lower one waits at most so much longer for each step.';

CREATE VIEW sluice.quotas AS
    SELECT w.id AS workspace_id, w.plan, w.cohort,
           coalesce(w.max_concurrent_workflows, t.max_concurrent_workflows) AS ceiling,
           least(coalesce(w.nominal_quota, t.nominal_quota, w.max_concurrent_workflows, t.max_concurrent_workflows),
                 coalesce(w.max_concurrent_workflows, t.max_concurrent_workflows)) AS nominal,
           coalesce(w.borrowing_limit, t.borrowing_limit) AS borrowing_limit,
           coalesce(w.weight, t.weight) AS weight,
           coalesce(w.starts_per_second, t.starts_per_second) AS starts_per_second,
           CASE WHEN coalesce(w.starts_per_second, t.starts_per_second) IS NOT NULL THEN
               coalesce(w.burst, t.burst, greatest(1, ceil(coalesce(w.starts_per_second, t.starts_per_second)))::int) END AS burst
    FROM sluice.workspaces w JOIN sluice.tiers t ON t.plan = w.plan;
COMMENT ON VIEW sluice.quotas IS 'What each workspace may use: what is set for it, else what its plan says.';

-- ---------------------------------------------------------------- where everybody stands

-- Virtual times in units of 2^-30 starts of a workspace of weight 1; see package admission. Changed by claims only.
CREATE TABLE sluice.shares (
    workspace_id uuid PRIMARY KEY,
    own          bigint NOT NULL DEFAULT 0,
    borrowed     bigint NOT NULL DEFAULT 0,
    tokens       double precision,
    tokens_at    timestamptz
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 10000);

-- The line of those outside of any cohort has the name ''. A cohort stands in it with its own and borrowed.
CREATE TABLE sluice.lines (
    shard          integer NOT NULL,
    cohort         text NOT NULL,
    own_clock      bigint NOT NULL DEFAULT 0,
    borrowed_clock bigint NOT NULL DEFAULT 0,
    own            bigint NOT NULL DEFAULT 0,
    borrowed       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (shard, cohort)
) WITH (fillfactor = 20);

-- admission.Price and admission.charge in SQL.
CREATE FUNCTION sluice.price(weight bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    'SELECT greatest(1, 1073741824 / greatest(1, weight))';
CREATE FUNCTION sluice.charged(tag bigint, clock bigint, weight bigint, n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    'SELECT CASE WHEN n > 0 THEN least(greatest(tag, clock - sluice.price(weight)), clock + sluice.price(weight)) + n * sluice.price(weight)
            ELSE tag END';

-- ---------------------------------------------------------------- every change rings and is on record

DROP TRIGGER ring ON sluice.tiers;
DROP TRIGGER ring ON sluice.workspaces;
CREATE TRIGGER ring AFTER UPDATE ON sluice.tiers FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION sluice.ring_limits();
CREATE TRIGGER ring AFTER UPDATE ON sluice.workspaces FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION sluice.ring_limits();
CREATE TRIGGER ring AFTER UPDATE ON sluice.settings FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION sluice.ring_limits();

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sluice.log_limit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    actor  text := coalesce(nullif(current_setting('sluice.actor', true), ''), nullif(current_setting('application_name'), ''), session_user);
    row    jsonb := to_jsonb(NEW);
    limits jsonb := jsonb_strip_nulls(jsonb_build_object(
        'maxConcurrentWorkflows', row -> 'max_concurrent_workflows', 'nominalQuota', row -> 'nominal_quota',
        'borrowingLimit', row -> 'borrowing_limit', 'weight', row -> 'weight', 'startsPerSecond', row -> 'starts_per_second',
        'burst', row -> 'burst', 'cohort', row -> 'cohort', 'ageingStep', row -> 'ageing_step'));
BEGIN
    IF TG_TABLE_NAME = 'tiers' THEN
        INSERT INTO sluice.activity_log (actor, action, details) VALUES (actor, 'tier-changed', limits || jsonb_build_object('plan', NEW.plan));
    ELSIF TG_TABLE_NAME = 'settings' THEN
        INSERT INTO sluice.activity_log (actor, action, details) VALUES (actor, 'settings-changed', limits);
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO sluice.activity_log (actor, action, workspace_id, details)
            VALUES (actor, 'workspace-created', NEW.id, limits || jsonb_build_object('name', NEW.name, 'plan', NEW.plan));
    ELSE
        INSERT INTO sluice.activity_log (actor, action, workspace_id, details)
            VALUES (actor, CASE WHEN OLD.plan = NEW.plan THEN 'limits-changed' ELSE 'plan-changed' END, NEW.id,
                    limits || jsonb_build_object('plan', NEW.plan));
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
DROP TRIGGER log_changed ON sluice.tiers;
DROP TRIGGER log_changed ON sluice.workspaces;
CREATE CONSTRAINT TRIGGER log_changed AFTER UPDATE ON sluice.tiers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.plan, OLD.max_concurrent_workflows, OLD.weight, OLD.nominal_quota, OLD.borrowing_limit, OLD.starts_per_second, OLD.burst)
        IS DISTINCT FROM (NEW.plan, NEW.max_concurrent_workflows, NEW.weight, NEW.nominal_quota, NEW.borrowing_limit, NEW.starts_per_second, NEW.burst))
    EXECUTE FUNCTION sluice.log_limit();
CREATE CONSTRAINT TRIGGER log_changed AFTER UPDATE ON sluice.workspaces
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.plan, OLD.max_concurrent_workflows, OLD.weight, OLD.nominal_quota, OLD.borrowing_limit, OLD.starts_per_second, OLD.burst, OLD.cohort)
        IS DISTINCT FROM (NEW.plan, NEW.max_concurrent_workflows, NEW.weight, NEW.nominal_quota, NEW.borrowing_limit, NEW.starts_per_second, NEW.burst, NEW.cohort))
    EXECUTE FUNCTION sluice.log_limit();
CREATE CONSTRAINT TRIGGER log_changed AFTER UPDATE ON sluice.settings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.max_concurrent_workflows, OLD.ageing_step) IS DISTINCT FROM (NEW.max_concurrent_workflows, NEW.ageing_step))
    EXECUTE FUNCTION sluice.log_limit();

DROP INDEX sluice.activity_log_limits;
CREATE INDEX activity_log_limits ON sluice.activity_log (id)
    WHERE action IN ('tier-recorded', 'tier-changed', 'plan-recorded', 'workspace-created', 'plan-changed', 'limits-changed');
