-- The history of what plans allow and of what workspaces may use instead, for good or for a time, oldest first.
SELECT c.at, c.workspace_id, coalesce(c.details ->> 'plan', '') AS plan, coalesce((c.details ->> 'maxConcurrentWorkflows')::int, 0) AS "limit",
       CASE WHEN c.workspace_id IS NOT NULL THEN (c.details ->> 'maxConcurrentWorkflows')::int END AS override,
       (c.details ->> 'nominalQuota')::int AS nominal, c.details ->> 'cohort' AS cohort,
       coalesce(c.details ->> 'limit', '') AS passing, (c.details ->> 'to')::float8::int AS passing_to, (c.details ->> 'until')::timestamptz AS passing_until
FROM sluice.limit_changes c
WHERE c.action IN ('tier-changed', 'workspace-created', 'plan-changed', 'limits-changed', 'workspace-deleted')
   OR c.action IN ('temporary-limit-set', 'temporary-limit-ended') AND c.details ->> 'limit' IN ('max_concurrent_workflows', 'nominal_quota')
ORDER BY c.at, c.id;
