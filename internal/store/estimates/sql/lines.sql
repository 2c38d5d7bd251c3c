-- Some places of the lines of all workspaces, the last one of each, and those before and behind a gap of more than a part of the whole: when
-- the items there are due. A line is what is ready and not paused,
-- in the order in which it starts. At most so many items are read in all, of each workspace and priority as many; more tells of a line that may be longer.
WITH RECURSIVE line AS (
    (SELECT p.workspace_id, p.priority FROM sluice.pending p ORDER BY p.workspace_id, p.priority LIMIT 1)
    UNION ALL
    SELECT next.* FROM line CROSS JOIN LATERAL (
        SELECT p.workspace_id, p.priority FROM sluice.pending p
        WHERE (p.workspace_id, p.priority) > (line.workspace_id, line.priority)
        ORDER BY p.workspace_id, p.priority LIMIT 1) AS next
), each AS MATERIALIZED (
    SELECT (:'most'::int / greatest(count(*), 1) + 1)::int AS most FROM line
)
SELECT f.workspace_id, f.number::int, f.id, f.due, f.more
FROM (
    SELECT i.workspace_id, i.id, i.due, row_number() OVER line AS number, lag(i.due) OVER line AS last, lead(i.due) OVER line AS next,
           count(*) OVER whole AS n, count(*) OVER whole >= i.most AS more, (max(i.due) OVER whole - min(i.due) OVER whole) / :'gaps'::int AS gap
    FROM (
        SELECT line.workspace_id, line.priority, first.available_at + (line.priority - 1) * s.ageing_step AS due, first.id, each.most
        FROM line CROSS JOIN each CROSS JOIN sluice.settings s CROSS JOIN LATERAL (
            SELECT p.available_at, p.id FROM sluice.pending p
            WHERE p.workspace_id = line.workspace_id AND p.priority = line.priority AND p.available_at <= now()
              AND NOT EXISTS (SELECT FROM sluice.pauses x WHERE x.workflow_definition_id = p.workflow_definition_id AND (x.until > now()) IS NOT FALSE)
              AND NOT EXISTS (SELECT FROM sluice.pauses x WHERE x.workflow_type = p.workflow_type
                              AND (x.workspace_id = line.workspace_id) IS NOT FALSE AND (x.until > now()) IS NOT FALSE)
            ORDER BY p.available_at, p.id LIMIT each.most) AS first
    ) AS i
    WINDOW line AS (PARTITION BY i.workspace_id ORDER BY i.due, i.priority, i.id), whole AS (PARTITION BY i.workspace_id)
) AS f
WHERE f.number = f.n OR f.due - f.last > f.gap OR f.next - f.due > f.gap OR f.number = ANY (:'places'::bigint[])
ORDER BY f.workspace_id, f.number;
