-- How many items of each workspace and priority have become available since a time, and when, wherever they are now. Those that wait are found by
-- their ids, which tell when they were made.
SELECT a.workspace_id, a.priority, count(*)::int AS n, min(a.available_at) AS first, max(a.available_at) AS last FROM (
    SELECT p.workspace_id, p.priority, p.available_at FROM sluice.pending p
    WHERE p.id >= :'first'::uuid AND p.available_at BETWEEN :'since'::timestamptz AND now()
    UNION ALL
    SELECT r.workspace_id, r.priority, r.available_at FROM sluice.running r WHERE r.available_at >= :'since'::timestamptz
    UNION ALL
    SELECT e.workspace_id, e.priority, e.available_at FROM sluice.ended e WHERE e.ended_at >= :'since'::timestamptz AND e.available_at >= :'since'::timestamptz
) AS a
GROUP BY a.workspace_id, a.priority;
