-- Deletes those of some locked unique keys that hold no longer, as an enqueue would see them now.
DELETE FROM sluice.unique_keys k
USING unnest(:'workspaces'::uuid[], :'keys'::text[], :'items'::uuid[]) AS page (workspace_id, unique_key, queue_id)
CROSS JOIN LATERAL sluice.whereabouts(page.queue_id) AS w
WHERE k.workspace_id = page.workspace_id AND k.unique_key = page.unique_key AND k.queue_id = page.queue_id
  AND page.queue_id = ANY (:'locked'::uuid[]) AND (w.status IS NULL OR w.ended_at + k.keep <= now());
