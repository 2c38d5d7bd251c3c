-- What is claimed, not known to be started, and due, of the workspaces of a shard, whichever run claimed it. What was started in
-- vain comes last. No start waits longer than 30 s (put_aside), so a later time is that of a clock that was ahead.
SELECT r.id, r.workspace_id, w.name, w.plan, q.weight, r.workflow_definition_id, d.name, r.workflow_version_id, v.version_number,
       coalesce(r.input, (SELECT i.input FROM sluice.inputs i WHERE i.id = r.id)), r.priority, r.attempt_count,
       r.start_error IS NOT NULL, r.workflow_type, r.task_queue, r.workflow_id, r.request
FROM sluice.running r
CROSS JOIN sluice.settings s
LEFT JOIN LATERAL (SELECT * FROM sluice.workspaces w WHERE w.id = r.workspace_id LIMIT 1) AS w ON true
LEFT JOIN LATERAL (SELECT q.weight FROM sluice.quotas q WHERE q.workspace_id = r.workspace_id LIMIT 1) AS q ON true
LEFT JOIN LATERAL (SELECT d.name FROM sluice.workflow_definitions d WHERE d.id = r.workflow_definition_id AND d.workspace_id = r.workspace_id LIMIT 1) AS d ON true
LEFT JOIN LATERAL (SELECT v.version_number FROM sluice.workflow_definition_versions v WHERE v.id = r.workflow_version_id LIMIT 1) AS v ON true
WHERE r.dispatched_at IS NULL AND (r.start_again_at > now() AND r.start_again_at <= now() + interval '1 minute') IS NOT TRUE AND sluice.shard_of(r.workspace_id, w.cohort, s.shards) = :'shard'::int
ORDER BY r.start_error IS NOT NULL, r.claimed_at, r.id LIMIT :'most'::int;
