-- What each shard may hold of the global limit, holds, and is short of, shard 0 first. Nothing where there is no such limit, or one shard.
SELECT n.max_concurrent_workflows, a.slots, coalesce(u.used, 0)::int, coalesce(q.weight, 0), coalesce(q.more, 0), coalesce(q.served, 0)
FROM sluice.settings n
JOIN sluice.allotments a ON a.shard < n.shards
LEFT JOIN (
    SELECT sluice.shard_of(r.workspace_id, w.cohort, s.shards) AS shard, count(*) AS used
    FROM sluice.settings s CROSS JOIN sluice.running r LEFT JOIN sluice.workspaces w ON w.id = r.workspace_id GROUP BY 1
) AS u ON u.shard = a.shard
LEFT JOIN sluice.shortages q ON q.shard = a.shard AND q.asked_at BETWEEN now() - interval '3 seconds' AND now() + interval '3 seconds'
WHERE n.max_concurrent_workflows IS NOT NULL AND n.shards > 1
ORDER BY a.shard;
