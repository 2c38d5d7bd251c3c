-- Workspaces with what they have waiting and what they use, by name: these, or with NULL all. It counts every item of theirs that
-- waits, runs, or has ended since a time, or with NULL ever, so it costs by the item.
SELECT w.id, w.name, w.plan, w.external_key, (SELECT count(*) FROM sluice.pending p WHERE p.workspace_id = w.id)::int AS pending,
       coalesce(r.n, 0)::int AS running, q.ceiling AS "limit", coalesce(e.done, 0)::int AS done,
       CASE WHEN r.unserved > 0 THEN 'unserved' WHEN r.unanswered > 0 THEN 'start-unanswered' END AS reason, coalesce(r.unserved, 0)::int AS unserved,
       coalesce(e.refused, 0)::int AS refused, coalesce(e.not_success, 0)::int AS not_success,
       sluice.shard_of(w.id, w.cohort, s.shards) AS shard
FROM sluice.settings s CROSS JOIN sluice.workspaces w JOIN sluice.quotas q ON q.workspace_id = w.id
LEFT JOIN (
    SELECT r.workspace_id, count(*) AS n, count(r.unserved_since) AS unserved,
           count(r.start_error) FILTER (WHERE r.dispatched_at IS NULL) AS unanswered FROM sluice.running r GROUP BY 1
) AS r ON r.workspace_id = w.id
LEFT JOIN (
    SELECT e.workspace_id, count(*) FILTER (WHERE e.reason IS NULL) AS done, count(e.reason) AS refused,
           count(*) FILTER (WHERE e.reason IS NULL AND e.status <> 'COMPLETED') AS not_success
    FROM sluice.ended e WHERE (:'workspaces'::uuid[] IS NULL OR e.workspace_id = ANY (:'workspaces'::uuid[]))
      AND e.ended_at >= coalesce(:'since'::timestamptz, '-infinity') GROUP BY 1
) AS e ON e.workspace_id = w.id
WHERE :'workspaces'::uuid[] IS NULL OR w.id = ANY (:'workspaces'::uuid[])
ORDER BY w.name, w.id;
