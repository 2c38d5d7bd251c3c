-- Locks unique keys, as an enqueue does, of those that still belong to the same items. What an enqueue holds is left out.
SELECT k.queue_id
FROM unnest(:'workspaces'::uuid[], :'keys'::text[], :'items'::uuid[]) AS page (workspace_id, unique_key, queue_id)
JOIN sluice.unique_keys k ON k.workspace_id = page.workspace_id AND k.unique_key = page.unique_key AND k.queue_id = page.queue_id
FOR UPDATE OF k SKIP LOCKED;
