-- Gives an execution that has ended its slot back, for a later run of its workflow. No claim did: the turn is NULL, and the
-- trigger of running takes the journal's next turn at the commit.
WITH earlier AS (
    DELETE FROM sluice.ended e
    WHERE e.id = :'id'::uuid AND e.ended_at >= sluice.made_at(:'id'::uuid) AND e.reason IS NULL AND e.engine_run_id IS DISTINCT FROM :'run'::text
    RETURNING e.*
), held AS (
    INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request,
        workflow_version_id, priority, attempt_count, created_at,
        available_at, claimed_at, dispatched_at, expires_at, unique_key, trigger_type, enqueued_by, engine_run_id, input)
    SELECT e.id, e.workspace_id, e.workflow_definition_id, e.workflow_type, e.task_queue, e.workflow_id, e.request,
        e.workflow_version_id, e.priority, e.attempt_count, e.created_at,
        e.available_at, e.claimed_at, e.dispatched_at, e.expires_at, e.unique_key, e.trigger_type, e.enqueued_by, :'run'::text, e.input
    FROM earlier e
)
INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason, details)
SELECT 'recovery', 'reopened', e.workspace_id, e.id, 'reset',
    jsonb_build_object('status', e.status, 'completedAt', e.ended_at, 'runId', e.engine_run_id)
FROM earlier e;
