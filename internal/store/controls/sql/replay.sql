-- Enqueues the next executions of a selection that have ended with a status anew, by their ids, at most so many: each is a new item with
-- the same request, and names the first. One is replayed once. The new one has no unique key, which is the first one's, and no expiry.
-- But the key by which a client's start (package admitted) or its replay holds a workflow id goes on to the new one. So what has an id that
-- an item holds which waits or runs is left as it is, and of several with one id all but the first.
-- Returns how many, and the last.
WITH page AS MATERIALIZED (
    SELECT e.*, sluice.uuid_v7() AS as_id,
           CASE WHEN e.trigger_type IN ('CLIENT', 'REPLAY') AND starts_with(e.unique_key, 'workflow/') THEN e.unique_key END AS id_key
    FROM sluice.ended e
    WHERE e.reason IS NULL AND e.status <> 'COMPLETED' AND e.status = :'status'::text AND e.id > :'after'::uuid AND e.ended_at <= :'at'::timestamptz
      AND (:'ids'::uuid[] IS NULL OR e.id = ANY (:'ids'::uuid[]))
      AND (:'workspace'::uuid IS NULL OR e.workspace_id = :'workspace'::uuid)
      AND (:'type'::text IS NULL OR e.workflow_type = :'type'::text)
      AND (:'definition'::uuid IS NULL OR e.workflow_definition_id = :'definition'::uuid)
      AND (:'reason'::text IS NULL OR NULL::text = :'reason'::text)
      AND (:'error'::text IS NULL OR strpos(lower(e.error ->> 'message'), lower(:'error'::text)) > 0)
      AND e.created_at <= :'before'::timestamptz
      AND NOT EXISTS (SELECT FROM sluice.replays x WHERE x.replay_of = e.id)
    ORDER BY e.id LIMIT :'most'::int
), free AS MATERIALIZED (
    SELECT DISTINCT ON (n.workspace_id, n.id_key) n.workspace_id, n.id_key, n.as_id, k.xmin AS version
    FROM page n LEFT JOIN sluice.unique_keys k ON k.workspace_id = n.workspace_id AND k.unique_key = n.id_key
    WHERE n.id_key IS NOT NULL
      AND NOT EXISTS (SELECT FROM sluice.whereabouts(k.queue_id) w WHERE w.status IN ('QUEUED', 'CLAIMED', 'RUNNING'))
    ORDER BY n.workspace_id, n.id_key, n.id
), held AS (
    -- This waits for an enqueue, a retry or another replay that is about to take the key, and leaves it to that one: the row has another
    -- version then, also where a retry gives it to the same item again. A key that was nobody's any more is the new item's until it ends.
    INSERT INTO sluice.unique_keys AS k (workspace_id, unique_key, queue_id, keep)
    SELECT f.workspace_id, f.id_key, f.as_id, interval '0' FROM free f ORDER BY f.workspace_id, f.id_key
    ON CONFLICT (workspace_id, unique_key) DO UPDATE SET queue_id = excluded.queue_id
        WHERE k.xmin = (SELECT f.version FROM free f WHERE f.as_id = excluded.queue_id)
    RETURNING k.queue_id
), replay AS (
    -- Of two that replay the same one, one does.
    INSERT INTO sluice.replays (replay_of, queue_id, workspace_id) SELECT n.id, n.as_id, n.workspace_id FROM page n
    WHERE n.id_key IS NULL OR n.as_id IN (SELECT h.queue_id FROM held h) ORDER BY n.id
    ON CONFLICT DO NOTHING
    RETURNING queue_id
), item AS MATERIALIZED (
    SELECT n.* FROM page n JOIN replay r ON r.queue_id = n.as_id
), large AS (
    INSERT INTO sluice.inputs (id, input, request) SELECT i.as_id, l.input, l.request FROM item i JOIN sluice.inputs l ON l.id = i.id
), event AS (
    INSERT INTO sluice.events (workspaces, available_at) SELECT array_agg(DISTINCT i.workspace_id), now() FROM item i HAVING count(*) > 0
), logged AS (
    INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason, details)
    SELECT :'actor'::text, 'replayed', i.workspace_id, i.id, nullif(:'why'::text, ''), jsonb_build_object('as', i.as_id) FROM item i
), enqueued AS (
    INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request,
        priority, created_at, available_at, unique_key, trigger_type, enqueued_by, input)
    SELECT i.as_id, i.workspace_id, i.workflow_definition_id, i.workflow_type, i.task_queue, i.workflow_id, i.request,
        i.priority, now(), now(), i.id_key, 'REPLAY', :'actor'::text, i.input
    FROM item i
)
SELECT (SELECT count(*) FROM page)::int AS looked, (SELECT count(*) FROM item)::int AS n,
       coalesce((SELECT n.id FROM page n ORDER BY n.id DESC LIMIT 1), :'after'::uuid) AS last;
