-- Gives the next pending items of a selection, by their ids, another priority or time, at most so many. What is being claimed is left
-- out, and so is what would expire before it is available. The dispatchers read their lines again from the earlier of the two times, at
-- once, because the event has a priority. Returns how many, and the last of those that were looked at.
WITH page AS MATERIALIZED (
    SELECT p.id, p.workspace_id, p.priority, p.available_at, p.expires_at,
           coalesce(:'priority'::smallint, p.priority) AS to_priority,
           -- What is ready keeps its place when it is to be available at once.
           CASE WHEN :'to'::timestamptz > now() THEN :'to'::timestamptz WHEN :'to'::timestamptz IS NOT NULL THEN least(p.available_at, now())
                ELSE p.available_at END AS to_at
    FROM sluice.pending p
    WHERE p.id > :'after'::uuid AND (:'ids'::uuid[] IS NULL OR p.id = ANY (:'ids'::uuid[]))
      AND (:'workspace'::uuid IS NULL OR p.workspace_id = :'workspace'::uuid)
      AND (:'type'::text IS NULL OR p.workflow_type = :'type'::text)
      AND (:'definition'::uuid IS NULL OR p.workflow_definition_id = :'definition'::uuid)
      AND (:'reason'::text IS NULL OR split_part(p.last_error, ': ', 1) = :'reason'::text)
      AND (:'error'::text IS NULL OR strpos(lower(p.last_error), lower(:'error'::text)) > 0)
      AND p.created_at <= :'before'::timestamptz
    ORDER BY p.id LIMIT :'most'::int FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE sluice.pending p SET priority = n.to_priority, available_at = n.to_at
    FROM page n
    WHERE p.id = n.id AND (n.expires_at <= n.to_at) IS NOT TRUE AND (n.priority, n.available_at) IS DISTINCT FROM (n.to_priority, n.to_at)
    RETURNING n.*
), event AS (
    INSERT INTO sluice.events (workspaces, priority, available_at)
    SELECT array_agg(DISTINCT m.workspace_id), min(m.to_priority), min(least(m.available_at, m.to_at)) FROM moved m HAVING count(*) > 0
), logged AS (
    INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason, details)
    SELECT :'actor'::text, 'reprioritized', m.workspace_id, m.id, nullif(:'why'::text, ''),
           jsonb_build_object('priority', jsonb_build_array(m.priority, m.to_priority), 'availableAt', jsonb_build_array(m.available_at, m.to_at))
    FROM moved m
)
SELECT (SELECT count(*) FROM page)::int AS looked, (SELECT count(*) FROM moved)::int AS n,
       coalesce((SELECT n.id FROM page n ORDER BY n.id DESC LIMIT 1), :'after'::uuid) AS last;
