-- Since when executions could be started, when they took their slots, and when they ended, of those that ended since a time, the last first, at most so many.
SELECT e.workspace_id, e.available_at, e.claimed_at, e.ended_at FROM sluice.ended e
WHERE e.ended_at >= :'since'::timestamptz AND e.reason IS NULL ORDER BY e.ended_at DESC LIMIT :'most'::int;
