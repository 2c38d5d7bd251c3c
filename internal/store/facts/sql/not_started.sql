-- The newest item that waits to start a workflow of this id.
SELECT i.id FROM (
    SELECT p.id FROM sluice.pending p WHERE p.workflow_id = :'workflow_id'
    UNION ALL
    SELECT r.id FROM sluice.running r WHERE r.workflow_id = :'workflow_id' AND r.dispatched_at IS NULL
) AS i
ORDER BY i.id DESC LIMIT 1;
