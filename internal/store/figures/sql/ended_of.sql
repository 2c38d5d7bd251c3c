-- The newest items of a workspace that have ended, at most so many and not before a time: each class of them from the end of its index.
WITH class (status, class) AS (
    VALUES ('COMPLETED', 1), ('FAILED', 2), ('TIMED_OUT', 2), ('TERMINATED', 2), ('CANCELLED', 2), ('FAILED', 3), ('CANCELLED', 3), ('EXPIRED', 3)
), found AS MATERIALIZED (
    SELECT e.* FROM class c CROSS JOIN LATERAL (
        (SELECT e.id, e.ended_at FROM sluice.ended e
         WHERE c.class = 1 AND e.status = 'COMPLETED' AND e.workspace_id = :'workspace'::uuid AND e.ended_at >= :'since'::timestamptz
         ORDER BY e.id DESC LIMIT :'most'::int)
        UNION ALL
        (SELECT e.id, e.ended_at FROM sluice.ended e
         WHERE c.class = 2 AND e.reason IS NULL AND e.status <> 'COMPLETED' AND e.status = c.status AND e.workspace_id = :'workspace'::uuid AND e.ended_at >= :'since'::timestamptz
         ORDER BY e.id DESC LIMIT :'most'::int)
        UNION ALL
        (SELECT e.id, e.ended_at FROM sluice.ended e
         WHERE c.class = 3 AND e.reason IS NOT NULL AND e.status = c.status AND e.workspace_id = :'workspace'::uuid AND e.ended_at >= :'since'::timestamptz
         ORDER BY e.id DESC LIMIT :'most'::int)
    ) AS e
    ORDER BY e.ended_at DESC LIMIT :'most'::int
)
SELECT e.id, e.status, coalesce(e.workflow_type, d.name, '') AS kind, e.priority, e.available_at, e.claimed_at, e.dispatched_at, e.ended_at,
       left(concat_ws(': ', e.reason, e.error ->> 'message'), 500) AS error
FROM found f JOIN sluice.ended e ON e.id = f.id AND e.ended_at = f.ended_at AND e.ended_at >= :'since'::timestamptz
LEFT JOIN sluice.workflow_definitions d ON d.id = e.workflow_definition_id
ORDER BY e.ended_at DESC;
