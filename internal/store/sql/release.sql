-- Puts stale claims back to pending, without counting an attempt, and tells the dispatchers in one event that slots are free
-- and that items have arrived. Returns which.
WITH undone AS (
    DELETE FROM sluice.running r
    WHERE r.id = ANY (:'ids'::uuid[]) AND r.dispatched_at IS NULL AND (coalesce(r.start_again_at, r.claimed_at) < now() - :'age'::interval OR greatest(r.start_again_at, r.claimed_at) > now() + interval '1 minute')
    RETURNING r.*
), back AS (
    INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request,
        priority, attempt_count, created_at, available_at, expires_at,
        unique_key, trigger_type, enqueued_by, last_error, input)
    SELECT u.id, u.workspace_id, u.workflow_definition_id, u.workflow_type, u.task_queue, u.workflow_id, u.request,
        u.priority, u.attempt_count, u.created_at, u.available_at, u.expires_at,
        u.unique_key, u.trigger_type, u.enqueued_by, u.start_error, u.input
    FROM undone u
), logged AS (
    INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason)
    SELECT 'recovery', 'recovered', u.workspace_id, u.id, 'stale-claim' FROM undone u
), event AS (
    INSERT INTO sluice.events (workspaces, available_at, freed)
    SELECT array_agg(DISTINCT u.workspace_id), min(u.available_at), array_agg(u.id) FROM undone u HAVING count(*) > 0
)
SELECT u.id FROM undone u;
