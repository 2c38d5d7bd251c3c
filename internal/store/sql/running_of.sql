-- The slots that a workspace holds.
SELECT r.id, r.workspace_id, r.dispatched_at IS NULL FROM sluice.running r WHERE r.workspace_id = :'workspace'::uuid;
