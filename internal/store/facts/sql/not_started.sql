-- The newest item of each workspace that waits to start a workflow of this id.
SELECT DISTINCT ON (i.workspace_id) i.workspace_id AS workspace, i.id AS item FROM (
    SELECT p.workspace_id, p.id FROM sluice.pending p WHERE p.workflow_id = :'workflow_id'
    UNION ALL
    SELECT r.workspace_id, r.id FROM sluice.running r WHERE r.workflow_id = :'workflow_id' AND r.dispatched_at IS NULL
) AS i
ORDER BY i.workspace_id, i.id DESC;
