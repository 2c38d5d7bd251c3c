-- The plans, smallest first, and what all workspaces together may hold; NULL: it is not bounded.
SELECT t.plan, t.max_concurrent_workflows AS "limit", s.max_concurrent_workflows AS global
FROM sluice.settings s CROSS JOIN sluice.tiers t ORDER BY t.max_concurrent_workflows, t.plan;
