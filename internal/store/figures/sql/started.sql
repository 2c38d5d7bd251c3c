-- Executions that hold a slot and were started after a time.
SELECT r.id, r.workspace_id, coalesce(r.workflow_type, '') AS workflow_type, r.workflow_definition_id, 'RUNNING' AS status, r.available_at, r.claimed_at, r.dispatched_at,
       NULL::timestamptz AS ended_at
FROM sluice.running r WHERE r.dispatched_at >= :'since'::timestamptz;
