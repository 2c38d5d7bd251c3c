-- Executions that became available since a time and have ended, oldest first; of more than so many the newest.
SELECT t.* FROM (
    SELECT e.workspace_id, e.available_at, e.priority, e.ended_at - e.claimed_at AS runs,
           coalesce(e.workflow_definition_id, '00000000-0000-0000-0000-000000000000') AS definition_id, coalesce(e.workflow_type, '') AS workflow_type
    FROM sluice.ended e
    WHERE e.reason IS NULL AND e.available_at >= :'since'::timestamptz AND e.ended_at >= :'since'::timestamptz AND e.ended_at > e.claimed_at
    ORDER BY e.available_at DESC LIMIT :'most'::int) AS t
ORDER BY t.available_at;
