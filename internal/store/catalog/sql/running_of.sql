-- The executions of a workspace that hold a slot.
SELECT r.id, r.claimed_at, r.dispatched_at IS NOT NULL AS dispatched FROM sluice.running r WHERE r.workspace_id = :'workspace'::uuid ORDER BY r.id;
