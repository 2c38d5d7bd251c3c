-- Takes an item whose workflow runs, although its start seemed to have failed, out of what waits. No claim did: the turn is
-- NULL, and the trigger of running takes the journal's next turn at the commit.
WITH item AS (
    DELETE FROM sluice.pending p WHERE p.id = :'id'::uuid RETURNING p.*
), held AS (
    INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request,
        priority, attempt_count, created_at, available_at, claimed_at,
        dispatched_at, expires_at, unique_key, trigger_type, enqueued_by, engine_run_id, input)
    SELECT i.id, i.workspace_id, i.workflow_definition_id, i.workflow_type, i.task_queue, i.workflow_id, i.request,
        i.priority, i.attempt_count, i.created_at, i.available_at, now(),
        now(), i.expires_at, i.unique_key, i.trigger_type, i.enqueued_by, :'run'::text, i.input
    FROM item i
)
INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason, details)
SELECT 'recovery', 'reopened', i.workspace_id, i.id, 'started-late', jsonb_build_object('runId', :'run'::text) FROM item i;
