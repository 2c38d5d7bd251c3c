-- All workspaces by name, with what they may use and do use, and how many items wait, which is counted from the index of lines.
SELECT w.id, w.name, w.plan, w.external_key, w.cohort, q.ceiling AS "limit", q.starts_per_second, coalesce(p.n, 0)::int AS pending,
       coalesce(r.n, 0)::int AS running, coalesce(r.unserved, 0)::int AS unserved, coalesce(r.unanswered, 0)::int AS unanswered,
       sluice.shard_of(w.id, w.cohort, s.shards) AS shard
FROM sluice.settings s CROSS JOIN sluice.workspaces w JOIN sluice.quotas q ON q.workspace_id = w.id
LEFT JOIN (SELECT p.workspace_id, count(*) AS n FROM sluice.pending p GROUP BY 1) AS p ON p.workspace_id = w.id
LEFT JOIN (
    SELECT r.workspace_id, count(*) AS n, count(r.unserved_since) AS unserved,
           count(r.start_error) FILTER (WHERE r.dispatched_at IS NULL) AS unanswered FROM sluice.running r GROUP BY 1
) AS r ON r.workspace_id = w.id
ORDER BY lower(w.name), w.id;
