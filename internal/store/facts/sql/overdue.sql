-- Of some workspaces, so many of each, items that have been ready for so long and whose type or definition is not paused.
SELECT item.id, w.workspace_id, item.available_at
FROM unnest(:'workspaces'::uuid[], :'slots'::int[]) AS w (workspace_id, slots)
CROSS JOIN LATERAL (
    SELECT head.* FROM generate_series(1, 5) AS line (priority) CROSS JOIN LATERAL (
        SELECT p.id, p.available_at FROM sluice.pending p
        WHERE p.workspace_id = w.workspace_id AND p.priority = line.priority AND p.available_at <= now() - :'age'::interval
          AND NOT EXISTS (SELECT FROM sluice.pauses x WHERE x.workflow_definition_id = p.workflow_definition_id AND (x.until > now()) IS NOT FALSE)
          AND NOT EXISTS (SELECT FROM sluice.pauses x WHERE x.workflow_type = p.workflow_type
                          AND (x.workspace_id = w.workspace_id) IS NOT FALSE AND (x.until > now()) IS NOT FALSE)
        ORDER BY p.available_at, p.id LIMIT w.slots) AS head
    LIMIT w.slots) AS item;
