-- Whose an execution is, wherever its item is: its start may not be settled yet, and a workflow that was reset runs on after
-- its end. With it the hosts that the workspace's http nodes may call; NULL: any.
SELECT w.id, w.allowed_hosts
FROM sluice.workspaces w
WHERE w.id = coalesce(
    (SELECT r.workspace_id FROM sluice.running r WHERE r.id = :'id'::uuid),
    (SELECT p.workspace_id FROM sluice.pending p WHERE p.id = :'id'::uuid),
    (SELECT e.workspace_id FROM sluice.ended e WHERE e.id = :'id'::uuid AND e.ended_at >= sluice.made_at(:'id'::uuid) LIMIT 1));
