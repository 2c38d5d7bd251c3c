-- What workspaces may use, and where they stand.
SELECT q.workspace_id, sluice.shard_of(q.workspace_id, q.cohort, s.shards) AS shard, q.cohort, q.ceiling, q.nominal, q.borrowing_limit, q.lending_limit, q.weight,
       q.starts_per_second, q.burst, coalesce(v.own, 0) AS own, coalesce(v.borrowed, 0) AS borrowed, v.tokens, CASE WHEN isfinite(v.tokens_at) THEN v.tokens_at END AS tokens_at,
       coalesce(v.slot_time, 0) AS slot_time,
       EXISTS (SELECT FROM sluice.pauses x WHERE (x.workspace_id = q.workspace_id) IS NOT FALSE AND x.workflow_type IS NULL AND x.workflow_definition_id IS NULL
               AND (x.until > now()) IS NOT FALSE) AS paused
FROM sluice.settings s CROSS JOIN sluice.quotas q LEFT JOIN sluice.virtual_times v ON v.workspace_id = q.workspace_id
WHERE q.workspace_id = ANY (:'workspaces'::uuid[]);
