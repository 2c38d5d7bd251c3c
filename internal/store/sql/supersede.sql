-- Replaces the outcome of an earlier run by that of a later one. When it ended stays: that is when its slot was freed.
WITH earlier AS (
    SELECT e.id, e.workspace_id, e.status, e.engine_run_id FROM sluice.ended e
    WHERE e.id = :'id'::uuid AND e.ended_at >= sluice.made_at(:'id'::uuid) AND e.reason IS NULL AND e.engine_run_id IS DISTINCT FROM :'run'::text
    FOR UPDATE
), later AS (
    UPDATE sluice.ended e
    SET status = :'status'::text, engine_run_id = :'run'::text, output = :'output'::jsonb, error = :'error'::jsonb
    FROM earlier WHERE e.id = :'id'::uuid AND e.ended_at >= sluice.made_at(:'id'::uuid)
)
INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason, details)
SELECT 'recovery', 'superseded', e.workspace_id, e.id, 'reset', jsonb_build_object('status', e.status, 'runId', e.engine_run_id) FROM earlier e;
