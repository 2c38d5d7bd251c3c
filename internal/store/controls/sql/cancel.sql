-- Cancels the next pending items of a selection, by their ids, at most so many. What is being claimed is left out. Returns how many,
-- and the last.
WITH page AS MATERIALIZED (
    SELECT p.id FROM sluice.pending p
    WHERE p.id > :'after'::uuid AND (:'ids'::uuid[] IS NULL OR p.id = ANY (:'ids'::uuid[]))
      AND (:'workspace'::uuid IS NULL OR p.workspace_id = :'workspace'::uuid)
      AND (:'type'::text IS NULL OR p.workflow_type = :'type'::text)
      AND (:'definition'::uuid IS NULL OR p.workflow_definition_id = :'definition'::uuid)
      AND (:'reason'::text IS NULL OR split_part(p.last_error, ': ', 1) = :'reason'::text)
      AND (:'error'::text IS NULL OR strpos(lower(p.last_error), lower(:'error'::text)) > 0)
      AND p.created_at <= :'before'::timestamptz
    ORDER BY p.id LIMIT :'most'::int FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM sluice.pending p USING page n WHERE p.id = n.id RETURNING p.*
), ended AS (
    INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request,
        status, reason, actor, error, priority, attempt_count,
        created_at, available_at, ended_at, expires_at, unique_key, trigger_type, enqueued_by, input)
    SELECT g.id, g.workspace_id, g.workflow_definition_id, g.workflow_type, g.task_queue, g.workflow_id, g.request,
        'CANCELLED', 'cancelled', :'actor'::text,
        CASE WHEN :'why'::text <> '' THEN jsonb_build_object('message', :'why'::text) END, g.priority, g.attempt_count,
        g.created_at, g.available_at, greatest(now(), sluice.made_at(g.id)), g.expires_at, g.unique_key, g.trigger_type, g.enqueued_by, g.input
    FROM gone g
)
SELECT (SELECT count(*) FROM page)::int AS n, coalesce((SELECT n.id FROM page n ORDER BY n.id DESC LIMIT 1), :'after'::uuid) AS last;
