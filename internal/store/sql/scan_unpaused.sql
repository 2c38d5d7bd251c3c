-- As scan, for workspaces of which some types or definitions are paused: it passes over the items of these.
SELECT p.line, q.id, q.workflow_definition_id, q.available_at
FROM unnest(:'lines'::int[], :'workspaces'::uuid[], :'priorities'::int[], :'times'::timestamptz[], :'ids'::uuid[], :'most'::int[])
    AS p (line, workspace_id, priority, at, id, most)
CROSS JOIN LATERAL (
    SELECT q.id, q.workflow_definition_id, q.available_at FROM sluice.pending q
    WHERE q.workspace_id = p.workspace_id AND q.priority = p.priority AND (q.available_at, q.id) > (p.at, p.id)
      AND NOT EXISTS (SELECT FROM sluice.pauses x WHERE x.workflow_definition_id = q.workflow_definition_id AND (x.until > now()) IS NOT FALSE)
      AND NOT EXISTS (SELECT FROM sluice.pauses x WHERE x.workflow_type = q.workflow_type
                      AND (x.workspace_id = p.workspace_id) IS NOT FALSE AND (x.until > now()) IS NOT FALSE)
    ORDER BY q.available_at, q.id LIMIT p.most) AS q;
