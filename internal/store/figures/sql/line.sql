-- The first ready items of a workspace's line, in the order in which they start, from a place on, and then those that are scheduled:
-- at most so many. It reads the first items of each priority, from the index of lines.
SELECT item.id, item.scheduled, coalesce(item.workflow_type, d.name, '') AS kind, item.priority, item.attempt_count AS attempts, item.created_at, item.available_at,
       item.enqueued_by, coalesce(item.last_error, '') AS error
FROM (
    SELECT found.* FROM (
        (SELECT p.*, false AS scheduled, p.available_at + (p.priority - 1) * s.ageing_step AS due
         FROM sluice.settings s CROSS JOIN generate_series(1, 5) AS line (priority) CROSS JOIN LATERAL (
            SELECT p.* FROM sluice.pending p
            WHERE p.workspace_id = :'workspace'::uuid AND p.priority = line.priority AND p.available_at <= now()
            ORDER BY p.available_at, p.id LIMIT :'after'::int + :'most'::int) AS p)
        UNION ALL
        (SELECT p.*, true, p.available_at
         FROM generate_series(1, 5) AS line (priority) CROSS JOIN LATERAL (
            SELECT p.* FROM sluice.pending p
            WHERE p.workspace_id = :'workspace'::uuid AND p.priority = line.priority AND p.available_at > now()
            ORDER BY p.available_at, p.id LIMIT :'after'::int + :'most'::int) AS p)
    ) AS found
    ORDER BY found.scheduled, found.due, found.priority, found.id OFFSET :'after'::int LIMIT :'most'::int
) AS item LEFT JOIN sluice.workflow_definitions d ON d.id = item.workflow_definition_id
ORDER BY item.scheduled, item.due, item.priority, item.id;
