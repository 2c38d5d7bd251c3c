-- Where pending items stand in the lines of their workspaces. Of some workspaces the first items may start now, so many of
-- each, in the order of admission.Due: it finds the last of them as a claim would. Items of types and definitions that are paused
-- hold up no others. Of an item that is paused it tells by whom: of several pauses by that which holds longest. What goes before an item is, in each
-- priority, a range of the index of lines, and counted up to a number.
WITH granted AS MATERIALIZED (
    SELECT g.workspace_id, last.*
    FROM unnest(:'workspaces'::uuid[], :'slots'::int[]) AS g (workspace_id, slots)
    CROSS JOIN sluice.settings s
    CROSS JOIN LATERAL (
        SELECT head.available_at + (line.priority - 1) * s.ageing_step AS due, line.priority, head.id
        FROM generate_series(1, 5) AS line (priority) CROSS JOIN LATERAL (
            SELECT p.available_at, p.id FROM sluice.pending p
            WHERE p.workspace_id = g.workspace_id AND p.priority = line.priority AND p.available_at <= now()
              AND NOT EXISTS (SELECT FROM sluice.pauses x WHERE x.workflow_definition_id = p.workflow_definition_id AND (x.until > now()) IS NOT FALSE)
              AND NOT EXISTS (SELECT FROM sluice.pauses x WHERE x.workflow_type = p.workflow_type
                              AND (x.workspace_id = g.workspace_id) IS NOT FALSE AND (x.until > now()) IS NOT FALSE)
            ORDER BY p.available_at, p.id LIMIT g.slots) AS head
        ORDER BY due, line.priority, head.id OFFSET g.slots - 1 LIMIT 1) AS last
)
SELECT item.id, item.available_at > now() AS scheduled, ahead.n::int AS ahead,
       ((item.available_at + (item.priority - 1) * s.ageing_step, item.priority::int, item.id) > (g.due, g.priority, g.id)) IS TRUE AS behind,
       pause.actor AS paused_by, pause.reason AS paused_why, pause.since AS paused_since, pause.until AS paused_until
FROM unnest(:'ids'::uuid[]) AS asked (id)
CROSS JOIN LATERAL (SELECT * FROM sluice.pending p WHERE p.id = asked.id LIMIT 1) AS item
CROSS JOIN sluice.settings s
LEFT JOIN granted g ON g.workspace_id = item.workspace_id
LEFT JOIN LATERAL (
    SELECT x.* FROM sluice.pauses x
    WHERE (x.workspace_id = item.workspace_id) IS NOT FALSE AND (x.workflow_type IS NULL OR x.workflow_type = item.workflow_type)
      AND (x.workflow_definition_id IS NULL OR x.workflow_definition_id = item.workflow_definition_id) AND (x.until > now()) IS NOT FALSE
    ORDER BY x.until DESC NULLS FIRST, x.since LIMIT 1) AS pause ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS n FROM (
        SELECT FROM generate_series(1, 5) AS line (priority) CROSS JOIN LATERAL (
            SELECT FROM sluice.pending p
            WHERE p.workspace_id = item.workspace_id AND p.priority = line.priority AND p.available_at <= now()
              AND NOT EXISTS (SELECT FROM sluice.pauses x WHERE x.workflow_definition_id = p.workflow_definition_id AND (x.until > now()) IS NOT FALSE)
              AND NOT EXISTS (SELECT FROM sluice.pauses x WHERE x.workflow_type = p.workflow_type
                              AND (x.workspace_id = item.workspace_id) IS NOT FALSE AND (x.until > now()) IS NOT FALSE)
              AND (p.available_at, p.id) < (item.available_at + (item.priority - line.priority) * s.ageing_step, CASE
                  WHEN line.priority = item.priority THEN item.id
                  WHEN line.priority < item.priority THEN uuid 'ffffffff-ffff-ffff-ffff-ffffffffffff'
                  ELSE uuid '00000000-0000-0000-0000-000000000000' END)
            ORDER BY p.available_at, p.id LIMIT :'places'::int) AS first
        LIMIT :'places'::int) AS counted
) AS ahead;
