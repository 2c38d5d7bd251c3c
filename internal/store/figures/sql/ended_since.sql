-- Executions that have ended since a time, those that ended last first, at most so many.
SELECT e.id, e.workspace_id, coalesce(e.workflow_type, '') AS workflow_type, e.workflow_definition_id, e.status, e.available_at, e.claimed_at, e.dispatched_at, e.ended_at
FROM sluice.ended e WHERE e.ended_at >= :'since'::timestamptz AND e.claimed_at IS NOT NULL
ORDER BY e.ended_at DESC LIMIT :'most'::int;
