-- Ends executions, frees their slots and tells the dispatchers. The ids are in order, and each of the other arrays is theirs.
-- Returns the places, from 1 on, of those that it has ended, and the time.
WITH gone AS (
    DELETE FROM sluice.running r WHERE r.id = ANY (:'ids'::uuid[]) RETURNING r.*
), told AS (
    SELECT array_agg(id) AS freed, array_agg(DISTINCT workspace_id) AS workspaces FROM gone HAVING count(*) > 0
), event AS (
    INSERT INTO sluice.events (freed, quiet)
    SELECT told.freed, true FROM told
    -- With one shard, one notification does for all of them.
    WHERE CASE WHEN EXISTS (SELECT FROM sluice.listeners) THEN (
        SELECT bool_and(sluice.wake(w.id)) FROM unnest(told.workspaces) WITH ORDINALITY AS w (id, place)
        WHERE w.place = 1 OR (SELECT s.shards > 1 FROM sluice.settings s)) ELSE true END
), kept AS (
    INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request,
        workflow_version_id, status, priority, attempt_count,
        created_at, available_at, claimed_at, dispatched_at, ended_at, expires_at, unique_key, trigger_type, enqueued_by, engine_run_id,
        input, output, error)
    SELECT g.id, g.workspace_id, g.workflow_definition_id, g.workflow_type, g.task_queue, g.workflow_id, g.request,
        g.workflow_version_id, (:'statuses'::text[])[width_bucket(g.id, :'ids'::uuid[])],
        g.priority, g.attempt_count, g.created_at, g.available_at, g.claimed_at, coalesce(g.dispatched_at, g.claimed_at),
        greatest(now(), g.claimed_at, g.dispatched_at, sluice.made_at(g.id)), g.expires_at, g.unique_key, g.trigger_type, g.enqueued_by,
        coalesce(nullif((:'runs'::text[])[width_bucket(g.id, :'ids'::uuid[])], ''), g.engine_run_id),
        g.input, (:'outputs'::jsonb[])[width_bucket(g.id, :'ids'::uuid[])], (:'errors'::jsonb[])[width_bucket(g.id, :'ids'::uuid[])]
    FROM gone g
)
SELECT width_bucket(g.id, :'ids'::uuid[]), now() FROM gone g;
