-- The history of what plans allow and of what workspaces may use instead, oldest first.
SELECT c.at, c.workspace_id, coalesce(c.details ->> 'plan', '') AS plan, coalesce((c.details ->> 'maxConcurrentWorkflows')::int, 0) AS "limit",
       CASE WHEN c.workspace_id IS NOT NULL THEN (c.details ->> 'maxConcurrentWorkflows')::int END AS override,
       (c.details ->> 'nominalQuota')::int AS nominal, c.details ->> 'cohort' AS cohort
FROM sluice.limit_changes c
WHERE c.action IN ('tier-changed', 'workspace-created', 'plan-changed', 'limits-changed', 'workspace-deleted')
ORDER BY c.at, c.id;
