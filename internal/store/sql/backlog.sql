-- The first item of each line (workspace, priority) after one, at most so many lines. It hops from line to line through the
-- index: it costs by the line, however many items there are.
WITH RECURSIVE line AS (
    (SELECT p.workspace_id, p.priority, p.available_at, p.id, p.workflow_definition_id, p.workflow_type, 1 AS n FROM sluice.pending p
     WHERE (p.workspace_id, p.priority) > (:'workspace'::uuid, :'priority'::smallint)
     ORDER BY p.workspace_id, p.priority, p.available_at, p.id LIMIT 1)
    UNION ALL
    SELECT next.*, line.n + 1 FROM line CROSS JOIN LATERAL (
        SELECT p.workspace_id, p.priority, p.available_at, p.id, p.workflow_definition_id, p.workflow_type FROM sluice.pending p
        WHERE (p.workspace_id, p.priority) > (line.workspace_id, line.priority)
        ORDER BY p.workspace_id, p.priority, p.available_at, p.id LIMIT 1) AS next
    WHERE line.n < :'most'::int
)
SELECT line.workspace_id, line.priority, line.available_at, line.id, line.workflow_definition_id, line.workflow_type FROM line;
