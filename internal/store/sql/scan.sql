-- Reads the next items of some lines, each from the place that has been read up to.
SELECT p.line, q.id, q.workflow_definition_id, q.available_at
FROM unnest(:'lines'::int[], :'workspaces'::uuid[], :'priorities'::int[], :'times'::timestamptz[], :'ids'::uuid[], :'most'::int[])
    AS p (line, workspace_id, priority, at, id, most)
CROSS JOIN LATERAL (
    SELECT q.id, q.workflow_definition_id, q.available_at FROM sluice.pending q
    WHERE q.workspace_id = p.workspace_id AND q.priority = p.priority AND (q.available_at, q.id) > (p.at, p.id)
    ORDER BY q.available_at, q.id LIMIT p.most) AS q;
