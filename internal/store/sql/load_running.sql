-- The slots that a shard holds, and which of them wait for a start.
SELECT r.id, r.workspace_id, r.dispatched_at IS NULL FROM sluice.running r CROSS JOIN sluice.settings s
WHERE s.shards = 1
   OR sluice.shard_of(r.workspace_id, (SELECT w.cohort FROM sluice.workspaces w WHERE w.id = r.workspace_id), s.shards) = :'shard'::int;
