-- The items that hold a slot, of workflows of a caller's own that are called so, and the runs that are known of them. An Execution has
-- recorded its end before it closes.
SELECT r.id, r.workflow_id, coalesce(r.engine_run_id, ''), true FROM sluice.running r
WHERE r.workflow_id = ANY (:'names'::text[]) AND r.workflow_type IS NOT NULL
UNION ALL
SELECT r.id, 'execution-' || r.id, coalesce(r.engine_run_id, ''), true FROM sluice.running r
WHERE r.id = ANY (:'ids'::uuid[]) AND r.workflow_id IS NULL AND r.workflow_type IS NOT NULL;
