-- A claim tells its dispatcher all that a start needs, so what is not dispatched is looked for only when something has
-- gone wrong.

-- +goose NO TRANSACTION
-- +goose Up

CREATE OR REPLACE VIEW sluice.quotas AS
    SELECT w.id AS workspace_id, w.plan, w.cohort,
           coalesce(w.max_concurrent_workflows, t.max_concurrent_workflows) AS ceiling,
           least(coalesce(w.nominal_quota, t.nominal_quota, w.max_concurrent_workflows, t.max_concurrent_workflows),
                 coalesce(w.max_concurrent_workflows, t.max_concurrent_workflows)) AS nominal,
           coalesce(w.borrowing_limit, t.borrowing_limit) AS borrowing_limit,
           coalesce(w.weight, t.weight) AS weight,
           coalesce(w.starts_per_second, t.starts_per_second) AS starts_per_second,
           CASE WHEN coalesce(w.starts_per_second, t.starts_per_second) IS NOT NULL THEN
               coalesce(w.burst, t.burst, greatest(1, ceil(coalesce(w.starts_per_second, t.starts_per_second)))::int) END AS burst,
           w.name
    FROM sluice.workspaces w JOIN sluice.tiers t ON t.plan = w.plan;

-- Settling changed what it indexed, so each start cost an entry in every index of the slot.
DROP INDEX CONCURRENTLY IF EXISTS sluice.slots_undispatched;

ALTER TABLE sluice.parked ADD COLUMN IF NOT EXISTS spinning boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN sluice.parked.spinning IS 'Not parked yet: it will be, unless there is work soon.';
