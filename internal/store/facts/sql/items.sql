-- Items by their ids, newest first, with the outcomes of their executions: those with a status, their own or their
-- execution's, or with '' all. Nothing of them is older than the oldest id. Inputs and results are read where they are asked for.
SELECT i.*, (SELECT x.replay_of FROM sluice.replays x WHERE x.queue_id = i.id) AS replay_of,
       (SELECT x.queue_id FROM sluice.replays x WHERE x.replay_of = i.id) AS replayed_as
FROM (
    SELECT p.id, p.workspace_id, p.workflow_definition_id, p.workflow_type, p.task_queue, coalesce(p.workflow_id, 'execution-' || p.id) AS workflow_id,
           'PENDING' AS status, NULL AS execution_status, p.priority, p.unique_key,
           p.attempt_count, p.created_at, p.available_at, p.expires_at, NULL::timestamptz AS claimed_at, NULL::timestamptz AS dispatched_at,
           NULL::timestamptz AS completed_at, NULL::uuid AS execution_id, NULL AS engine_run_id, NULL::timestamptz AS unserved_since, NULL AS unserved,
           NULL AS reason, p.last_error AS error, NULL::jsonb AS execution_error,
           CASE WHEN :'payloads'::boolean THEN sluice.input_of(p.id, p.input, p.workflow_type) END AS input, NULL::jsonb AS output
    FROM sluice.pending p WHERE p.id = ANY (:'ids'::uuid[])
    UNION ALL
    SELECT r.id, r.workspace_id, r.workflow_definition_id, r.workflow_type, r.task_queue, coalesce(r.workflow_id, 'execution-' || r.id),
           CASE WHEN r.dispatched_at IS NULL THEN 'CLAIMED' ELSE 'DISPATCHED' END,
           CASE WHEN r.dispatched_at IS NOT NULL THEN 'RUNNING' END, r.priority, r.unique_key,
           r.attempt_count, r.created_at, r.available_at, r.expires_at, r.claimed_at, r.dispatched_at,
           NULL, r.id, r.engine_run_id, r.unserved_since, r.unserved, NULL, CASE WHEN r.dispatched_at IS NULL THEN r.start_error END, NULL,
           CASE WHEN :'payloads'::boolean THEN sluice.input_of(r.id, r.input, r.workflow_type) END, NULL
    FROM sluice.running r WHERE r.id = ANY (:'ids'::uuid[])
    UNION ALL
    SELECT e.id, e.workspace_id, e.workflow_definition_id, e.workflow_type, e.task_queue, coalesce(e.workflow_id, 'execution-' || e.id),
           CASE WHEN e.reason IS NULL THEN 'DISPATCHED' ELSE e.status END,
           CASE WHEN e.reason IS NULL THEN e.status END, e.priority, e.unique_key,
           e.attempt_count, e.created_at, e.available_at, e.expires_at, CASE WHEN e.reason IS NULL THEN e.claimed_at END,
           CASE WHEN e.reason IS NULL THEN e.dispatched_at END, CASE WHEN e.reason IS NULL THEN e.ended_at END,
           CASE WHEN e.reason IS NULL THEN e.id END, e.engine_run_id, NULL, NULL, e.reason,
           CASE WHEN e.reason IS NOT NULL THEN concat_ws(': ', e.reason, e.error ->> 'message') END,
           CASE WHEN e.reason IS NULL THEN e.error END,
           CASE WHEN :'payloads'::boolean THEN sluice.input_of(e.id, e.input, e.workflow_type) END, CASE WHEN :'payloads'::boolean THEN e.output END
    FROM sluice.ended e WHERE e.id = ANY (:'ids'::uuid[]) AND e.ended_at >= sluice.made_at(:'oldest'::uuid)
) AS i
WHERE :'status'::text IN ('', i.status, i.execution_status)
ORDER BY i.id DESC;
