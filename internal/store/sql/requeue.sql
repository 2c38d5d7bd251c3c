-- Undoes claims whose start has failed: the item is pending again, with backoff and jitter, or ends FAILED. It takes a turn,
-- as a claim does: a process that has been overtaken may be wrong about what was started, and leaves it to its successor.
-- Its own dispatcher knows what it has freed, so no event tells: heard after the item is claimed again, it would be wrong.
-- One that waits for another workflow of its id counts no attempt, and is looked at again after 2 s for each older one of its workspace
-- that waits for the same, and itself, but after a minute at the latest: so many may wait, and the oldest comes first. One that is not
-- due for longer than that waits for its time, not for the id. Of the older ones so many are looked at, however many others there are.
-- One whose id derives from it waits for a stranger, which may last: the longer it has waited, the more seldom it is looked at.
-- The ids are in order, and each of the other arrays is theirs. There is no row in the answer if the turn was taken.
WITH fence AS (
    INSERT INTO sluice.turns (shard, turn, kind)
    SELECT :'shard'::int, :'turn'::bigint, 'requeue'
    WHERE coalesce((SELECT max(t.turn) FROM sluice.turns t WHERE t.shard = :'shard'::int), 0) = :'turn'::bigint - 1
    ON CONFLICT DO NOTHING
    RETURNING turn
), undone AS (
    DELETE FROM sluice.running r USING fence WHERE r.id = ANY (:'ids'::uuid[]) AND r.dispatched_at IS NULL
    RETURNING r.*, (:'reasons'::text[])[width_bucket(r.id, :'ids'::uuid[])] AS why, (:'errors'::text[])[width_bucket(r.id, :'ids'::uuid[])] AS message,
        (:'permanent'::bool[])[width_bucket(r.id, :'ids'::uuid[])]
            OR r.attempt_count >= :'attempts'::int - 1 AND NOT (:'waits'::bool[])[width_bucket(r.id, :'ids'::uuid[])] AS final,
        (:'waits'::bool[])[width_bucket(r.id, :'ids'::uuid[])] AS waits
), back AS (
    INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request,
        priority, attempt_count, created_at, available_at, expires_at,
        unique_key, trigger_type, enqueued_by, last_error, input)
    SELECT u.id, u.workspace_id, u.workflow_definition_id, u.workflow_type, u.task_queue, u.workflow_id, u.request,
        u.priority, CASE WHEN u.waits THEN u.attempt_count ELSE least(u.attempt_count, 2147483646) + 1 END, u.created_at,
        now() + (1 + :'jitter'::float8 * (2 * random() - 1)) * CASE
            WHEN u.waits AND u.workflow_id IS NULL THEN greatest(interval '2 seconds', least(interval '1 minute', (now() - u.created_at) / 8))
            WHEN u.waits THEN interval '2 seconds' * least(30,
                row_number() OVER (PARTITION BY u.workspace_id, coalesce(u.workflow_id, u.id::text) ORDER BY u.id)
                + (SELECT count(*) FROM (SELECT p.workspace_id, p.available_at FROM sluice.pending p WHERE p.workflow_id = u.workflow_id AND p.id < u.id
                        ORDER BY p.id DESC LIMIT 200) AS older
                    WHERE older.workspace_id = u.workspace_id AND older.available_at < now() + interval '2 minutes'))
            ELSE least(:'backoff'::interval * power(2, least(u.attempt_count, 60)), :'max_backoff'::interval) END,
        u.expires_at, u.unique_key, u.trigger_type, u.enqueued_by, concat_ws(': ', u.why, nullif(u.message, '')), u.input
    FROM undone u WHERE NOT u.final
    RETURNING id, available_at
), failed AS (
    INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request,
        workflow_version_id, status, reason, actor, error, priority, attempt_count,
        created_at, available_at, claimed_at, ended_at, expires_at, unique_key, trigger_type, enqueued_by, input)
    SELECT u.id, u.workspace_id, u.workflow_definition_id, u.workflow_type, u.task_queue, u.workflow_id, u.request,
        u.workflow_version_id, 'FAILED', u.why, 'dispatcher',
        CASE WHEN u.message <> '' THEN jsonb_build_object('message', u.message) END, u.priority, least(u.attempt_count, 2147483646) + 1,
        u.created_at, u.available_at, u.claimed_at, greatest(now(), u.claimed_at, sluice.made_at(u.id)), u.expires_at, u.unique_key, u.trigger_type, u.enqueued_by, u.input
    FROM undone u WHERE u.final
), logged AS (
    INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason, details)
    SELECT 'dispatcher', 'requeued', u.workspace_id, u.id, u.why, jsonb_build_object('error', u.message, 'attempt', u.attempt_count + 1)
    FROM undone u WHERE NOT u.final AND NOT u.waits
)
SELECT u.id, b.available_at FROM fence LEFT JOIN undone u ON true LEFT JOIN back b ON b.id = u.id;
