-- The workspaces that hold slots, or have items that are ready or about to be.
WITH RECURSIVE backlog AS (
    (SELECT p.workspace_id FROM sluice.pending p ORDER BY p.workspace_id LIMIT 1)
    UNION ALL
    SELECT (SELECT p.workspace_id FROM sluice.pending p WHERE p.workspace_id > b.workspace_id ORDER BY p.workspace_id LIMIT 1)
    FROM backlog b WHERE b.workspace_id IS NOT NULL
)
SELECT r.workspace_id FROM sluice.running r
UNION
SELECT b.workspace_id FROM backlog b CROSS JOIN generate_series(1, 5) AS line (priority)
CROSS JOIN LATERAL (
    SELECT p.available_at FROM sluice.pending p
    WHERE p.workspace_id = b.workspace_id AND p.priority = line.priority ORDER BY p.available_at, p.id LIMIT 1) AS first
WHERE first.available_at <= now() + interval '5 seconds';
