-- Ends pending items without an execution, and returns which.
WITH gone AS (
    DELETE FROM sluice.pending p WHERE p.id = ANY (:'ids'::uuid[]) RETURNING p.*
)
INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request,
        status, reason, actor, error, priority, attempt_count,
    created_at, available_at, ended_at, expires_at, unique_key, trigger_type, enqueued_by, input)
SELECT g.id, g.workspace_id, g.workflow_definition_id, g.workflow_type, g.task_queue, g.workflow_id, g.request,
        :'status'::text, :'reason'::text, :'actor'::text,
    CASE WHEN :'message'::text <> '' THEN jsonb_build_object('message', :'message'::text) END, g.priority, g.attempt_count,
    g.created_at, g.available_at, greatest(now(), sluice.made_at(g.id)), g.expires_at, g.unique_key, g.trigger_type, g.enqueued_by, g.input
FROM gone g
RETURNING id;
