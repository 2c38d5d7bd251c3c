-- What has happened to an item, oldest first. One statement may write several lines of the same moment.
SELECT a.at, a.actor, a.action, a.workspace_id, a.queue_id, a.reason, a.details
FROM sluice.activity a WHERE a.queue_id = :'item'::uuid AND a.at >= sluice.made_at(:'item'::uuid)
ORDER BY a.at, array_position(ARRAY['enqueued', 'claimed', 'dispatched'], a.action);
