-- Takes items from pending into running, in the turn after the last one that the dispatcher knows. If that turn is taken,
-- usage may have risen or a limit have changed, and nothing happens: there is no row in the answer. So it is after the time until which
-- the plan holds.
-- The ids are in order, and versions are theirs. The tokens are what is left to workspaces whose starts are rated.
WITH fence AS (
    INSERT INTO sluice.turns (shard, turn, kind)
    SELECT :'shard'::int, :'turn'::bigint, 'claim'
    -- It must follow the newest: a process that slept may know a turn that has been deleted since, or one that a standby lost.
    WHERE coalesce((SELECT max(t.turn) FROM sluice.turns t WHERE t.shard = :'shard'::int), 0) = :'turn'::bigint - 1
      -- A limit for a time has ended since: the plan rests on it.
      AND (clock_timestamp() < :'valid_until'::timestamptz) IS NOT FALSE
    ON CONFLICT DO NOTHING
    -- Read after the snapshot, so later than every outcome whose slot is taken over here: intervals never overlap.
    RETURNING clock_timestamp() AS at
), taken AS (
    -- Rows that another transaction holds are left out: to wait for them while holding the turn could deadlock.
    DELETE FROM sluice.pending p WHERE p.ctid = ANY (ARRAY(
        SELECT l.ctid FROM sluice.pending l
        WHERE l.id = ANY (:'ids'::uuid[]) AND (SELECT true FROM fence) AND (l.expires_at <= now()) IS NOT TRUE
          AND l.available_at <= now() -- it may have been put off
        FOR UPDATE SKIP LOCKED))
    RETURNING p.*
), held AS (
    INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request,
        workflow_version_id, priority, attempt_count, turn,
        created_at, available_at, claimed_at, expires_at, unique_key, trigger_type, enqueued_by, input)
    SELECT t.id, t.workspace_id, t.workflow_definition_id, t.workflow_type, t.task_queue, t.workflow_id, t.request,
        nullif((:'versions'::uuid[])[width_bucket(t.id, :'ids'::uuid[])], '00000000-0000-0000-0000-000000000000'),
        t.priority, t.attempt_count, :'turn'::bigint,
        t.created_at, t.available_at, fence.at, t.expires_at, t.unique_key, t.trigger_type, t.enqueued_by, t.input
    FROM taken t CROSS JOIN fence
), spent AS (
    INSERT INTO sluice.virtual_times (workspace_id, tokens, tokens_at)
    SELECT r.workspace_id, r.tokens, :'now'::timestamptz
    FROM fence CROSS JOIN unnest(:'rated'::uuid[], :'tokens'::float8[]) AS r (workspace_id, tokens) ORDER BY r.workspace_id
    ON CONFLICT (workspace_id) DO UPDATE SET tokens = excluded.tokens, tokens_at = excluded.tokens_at
)
SELECT fence.at, t.id, coalesce(t.input, (SELECT i.input FROM sluice.inputs i WHERE i.id = t.id)) AS input, t.attempt_count,
       t.workflow_type, t.task_queue, t.workflow_id, t.request
FROM fence LEFT JOIN taken t ON true;
