-- The slots that a shard holds, and which of them wait for a start.
SELECT r.id, r.workspace_id, r.dispatched_at IS NULL, r.claimed_at, coalesce(r.workflow_definition_id, '00000000-0000-0000-0000-000000000000'), coalesce(r.workflow_type, '')
FROM sluice.running r CROSS JOIN sluice.settings s
WHERE s.shards = 1
   OR sluice.shard_of(r.workspace_id, (SELECT w.cohort FROM sluice.workspaces w WHERE w.id = r.workspace_id), s.shards) = :'shard'::int;
