-- The slots that a workspace holds.
SELECT r.id, r.workspace_id, r.dispatched_at IS NULL, r.claimed_at, coalesce(r.workflow_definition_id, '00000000-0000-0000-0000-000000000000'), coalesce(r.workflow_type, '')
FROM sluice.running r WHERE r.workspace_id = :'workspace'::uuid;
