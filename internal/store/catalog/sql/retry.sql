-- Puts FAILED items back into pending, ready at once and with no attempts counted: all that are named, or for NULL those that
-- the other parameters do not exclude, oldest first. If it changes fewer items than were named, it has to be rolled back.
-- An item whose unique key is another's by now stays as it is. What ended says of a failure goes with its row, so it is logged.
WITH matching AS (
    SELECT e.id, e.ended_at, e.workspace_id, e.unique_key FROM sluice.ended e
    WHERE e.status = 'FAILED' AND e.reason IS NOT NULL AND (e.expires_at <= now()) IS NOT TRUE
      AND (:'ids'::uuid[] IS NULL OR e.id = ANY (:'ids'::uuid[])
           AND e.ended_at >= (SELECT min(sluice.made_at(i.id)) FROM unnest(:'ids'::uuid[]) AS i (id)))
      AND (:'workspace'::uuid IS NULL OR e.workspace_id = :'workspace'::uuid)
      AND (:'reason'::text = '' OR e.reason = :'reason'::text)
      AND (:'type'::text IS NULL OR e.workflow_type = :'type'::text)
      AND (:'definition'::uuid IS NULL OR e.workflow_definition_id = :'definition'::uuid)
      AND (:'error'::text IS NULL OR strpos(lower(concat(e.reason, ': ', e.error ->> 'message')), lower(:'error'::text)) > 0)
      AND (e.created_at <= :'before'::timestamptz) IS NOT FALSE AND (e.ended_at <= :'ended_before'::timestamptz) IS NOT FALSE
      AND NOT EXISTS (SELECT FROM sluice.unique_keys k
                      WHERE k.workspace_id = e.workspace_id AND k.unique_key = e.unique_key AND k.queue_id <> e.id)
    ORDER BY e.id LIMIT :'most'::bigint FOR UPDATE OF e
), held AS (
    -- This waits for an enqueue that is about to take the key for a new item. A key that is nobody's any more, because the time
    -- for which it was to be kept is over, is the item's again until it ends.
    INSERT INTO sluice.unique_keys AS k (workspace_id, unique_key, queue_id, keep)
    SELECT DISTINCT ON (m.workspace_id, m.unique_key) m.workspace_id, m.unique_key, m.id, interval '0' FROM matching m
    WHERE m.unique_key IS NOT NULL ORDER BY m.workspace_id, m.unique_key, m.id DESC
    ON CONFLICT (workspace_id, unique_key) DO UPDATE SET queue_id = k.queue_id WHERE k.queue_id = excluded.queue_id
    RETURNING k.queue_id AS id
), free AS (
    SELECT m.id, m.ended_at FROM matching m WHERE m.unique_key IS NULL OR m.id IN (SELECT h.id FROM held h)
), item AS (
    DELETE FROM sluice.ended e USING free f WHERE e.id = f.id AND e.ended_at = f.ended_at RETURNING e.*
), logged AS (
    INSERT INTO sluice.activity_log (at, actor, action, workspace_id, queue_id, reason, details)
    SELECT i.ended_at, coalesce(i.actor, 'dispatcher'), 'failed', i.workspace_id, i.id, i.reason,
           jsonb_strip_nulls(jsonb_build_object('error', i.error -> 'message')) FROM item i
    UNION ALL
    SELECT clock_timestamp(), :'actor'::text, 'retried', i.workspace_id, i.id, i.reason,
           jsonb_strip_nulls(jsonb_build_object('attempts', i.attempt_count, 'why', nullif(:'why'::text, ''))) FROM item i
), event AS (
    INSERT INTO sluice.events (workspaces, available_at) SELECT array_agg(DISTINCT i.workspace_id), now() FROM item i HAVING count(*) > 0
)
INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request,
    priority, attempt_count, created_at, available_at, expires_at,
    unique_key, trigger_type, enqueued_by, last_error, input)
SELECT i.id, i.workspace_id, i.workflow_definition_id, i.workflow_type, i.task_queue, i.workflow_id, i.request,
    i.priority, 0, i.created_at, now(), i.expires_at,
    i.unique_key, i.trigger_type, i.enqueued_by, concat_ws(': ', i.reason, i.error ->> 'message'), i.input
FROM item i;
