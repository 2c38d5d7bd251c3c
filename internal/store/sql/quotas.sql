-- What some workspaces may use, and where they stand, as far as they belong to the shard.
SELECT q.workspace_id, q.name, q.plan, q.cohort, q.ceiling, q.nominal, q.borrowing_limit, q.weight, q.starts_per_second, q.burst, q.lending_limit,
       coalesce(v.own, 0), coalesce(v.borrowed, 0), v.tokens, v.tokens_at, coalesce(v.slot_time, 0), v.slot_times, q.until
FROM unnest(:'workspaces'::uuid[]) AS asked (id)
CROSS JOIN sluice.settings s
CROSS JOIN LATERAL (SELECT * FROM sluice.quotas q WHERE q.workspace_id = asked.id LIMIT 1) AS q
LEFT JOIN LATERAL (SELECT * FROM sluice.virtual_times v WHERE v.workspace_id = asked.id LIMIT 1) AS v ON true
WHERE sluice.shard_of(q.workspace_id, q.cohort, s.shards) = :'shard'::int;
