-- So many executions that hold a slot, in turn of all workspaces.
INSERT INTO sluice.running (id, workspace_id, workflow_type, task_queue, priority, attempt_count, turn, created_at, available_at, claimed_at, dispatched_at, trigger_type, enqueued_by,
    engine_run_id, input)
SELECT sluice.uuid_v7(), ($1::uuid[])[1 + n % cardinality($1::uuid[])], 'Type' || n % 20, 'orders', 3, 0, 0, now(), now(), now(), now() - random() * interval '2 minutes', 'FUNCTION', 'shop',
       md5(n::text), '{"args": []}'
FROM generate_series(1, $2::int) AS n;
