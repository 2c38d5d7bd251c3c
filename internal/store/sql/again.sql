-- How long it is until the first of those claims of a shard is due whose start waits to be tried again; NULL: there is none.
SELECT min(r.start_again_at) - now()
FROM sluice.running r CROSS JOIN sluice.settings s
WHERE r.dispatched_at IS NULL AND r.start_again_at > now() AND r.start_again_at <= now() + interval '1 minute'
  AND sluice.shard_of(r.workspace_id, (SELECT w.cohort FROM sluice.workspaces w WHERE w.id = r.workspace_id), s.shards) = :'shard'::int;
