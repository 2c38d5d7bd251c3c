-- The next unique keys after one, and whether each holds no longer: its item is nowhere, or its time after the end is over.
SELECT k.workspace_id, k.unique_key, k.queue_id,
       NOT EXISTS (SELECT FROM sluice.pending p WHERE p.id = k.queue_id)
       AND NOT EXISTS (SELECT FROM sluice.running r WHERE r.id = k.queue_id)
       AND NOT EXISTS (SELECT FROM sluice.ended e WHERE e.id = k.queue_id AND e.ended_at >= sluice.made_at(k.queue_id)
                       AND (e.ended_at + k.keep <= now()) IS NOT TRUE) AS over
FROM (
    SELECT * FROM sluice.unique_keys k WHERE (k.workspace_id, k.unique_key) > (:'workspace'::uuid, :'key'::text)
    ORDER BY k.workspace_id, k.unique_key LIMIT :'most'::int) AS k
ORDER BY k.workspace_id, k.unique_key;
