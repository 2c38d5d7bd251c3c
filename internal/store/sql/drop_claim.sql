-- Takes a claim away whose item has ended already: the item was pending a second time. Its slot is free. The outcome of a
-- run is on record a moment before the run closes.
WITH gone AS (
    DELETE FROM sluice.running r
    WHERE r.id = :'id'::uuid AND r.dispatched_at IS NULL
      AND EXISTS (SELECT FROM sluice.ended e WHERE e.id = r.id AND e.ended_at >= sluice.made_at(r.id)
                  AND (:'closed'::boolean OR e.engine_run_id = :'run'::text))
    RETURNING r.*
), event AS (
    INSERT INTO sluice.events (freed) SELECT ARRAY[g.id] FROM gone g
)
INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason, details)
SELECT 'dispatcher', 'dropped', g.workspace_id, g.id, 'duplicate', jsonb_build_object('enqueuedBy', g.enqueued_by, 'createdAt', g.created_at)
FROM gone g;
