-- Pending items whose workspace is gone. It hops from workspace to workspace through the index.
WITH RECURSIVE backlog AS (
    (SELECT p.workspace_id FROM sluice.pending p ORDER BY p.workspace_id LIMIT 1)
    UNION ALL
    SELECT (SELECT p.workspace_id FROM sluice.pending p WHERE p.workspace_id > b.workspace_id ORDER BY p.workspace_id LIMIT 1)
    FROM backlog b WHERE b.workspace_id IS NOT NULL
), gone AS (
    SELECT b.workspace_id FROM backlog b LEFT JOIN sluice.workspaces w ON w.id = b.workspace_id WHERE w.id IS NULL
)
SELECT p.id FROM gone JOIN sluice.pending p ON p.workspace_id = gone.workspace_id LIMIT :'most'::int FOR UPDATE OF p SKIP LOCKED;
