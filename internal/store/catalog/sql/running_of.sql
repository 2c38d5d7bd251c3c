-- The executions of a workspace that hold a slot, and their workflows.
SELECT r.id, r.claimed_at, r.dispatched_at IS NOT NULL AS dispatched, coalesce(r.workflow_id, 'execution-' || r.id) AS workflow_id,
       coalesce(r.engine_run_id, '') AS run_id, r.workflow_type IS NOT NULL AS own
FROM sluice.running r WHERE r.workspace_id = :'workspace'::uuid ORDER BY r.id;
