-- An installation that has run for so many days: workspaces, ended executions with inputs, refused items, unique keys, and
-- a backlog that belongs to every second workspace. For psql, into an empty database with the schema:
--   psql -v workspaces=2000 -v ended=3000000 -v refused=500000 -v pending=200000 -v days=30 -f scale.sql "$DATABASE_URL"
-- The tests load the same with smaller numbers.

INSERT INTO sluice.workspaces (name, plan, created_at)
SELECT 'workspace ' || n, CASE WHEN n % 10 = 0 THEN 'PRO' ELSE 'STARTER' END, now() - make_interval(days => :days)
FROM generate_series(1, :workspaces) AS n;
INSERT INTO sluice.workflow_definitions (workspace_id, name)
SELECT w.id, d.name FROM sluice.workspaces w CROSS JOIN (VALUES ('main'), ('other')) AS d (name) WHERE w.name LIKE 'workspace %';
INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow)
SELECT d.id, 1, '{"nodes": []}' FROM sluice.workflow_definitions d
ON CONFLICT DO NOTHING;
CREATE TEMP TABLE cast_of AS
SELECT (row_number() OVER (ORDER BY w.name) - 1)::int AS n, w.id AS workspace_id, m.id AS main, o.id AS other, v.id AS version
FROM sluice.workspaces w
JOIN sluice.workflow_definitions m ON m.workspace_id = w.id AND m.name = 'main'
JOIN sluice.workflow_definitions o ON o.workspace_id = w.id AND o.name = 'other'
JOIN sluice.workflow_definition_versions v ON v.workflow_definition_id = m.id
WHERE w.name LIKE 'workspace %';
CREATE UNIQUE INDEX ON cast_of (n);
ANALYZE cast_of;

-- An id as an enqueue of that moment would have made it.
CREATE FUNCTION pg_temp.id_of(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (overlay(lpad(to_hex((extract(epoch FROM at) * 1000000)::bigint * 512 / 125), 15, '0') PLACING '7' FROM 13 FOR 0)
        || right(gen_random_uuid()::text, 17))::uuid
$$;

-- The partitions of the days before today, as they were made when those days were to come.
SELECT format('CREATE TABLE sluice.%1$I (LIKE sluice.%2$I INCLUDING ALL); ALTER TABLE sluice.%2$I ATTACH PARTITION sluice.%1$I FOR VALUES FROM (%3$L) TO (%4$L);
    INSERT INTO sluice.partitions VALUES (%1$L, %2$L, %3$L, %4$L)', whose || to_char(day AT TIME ZONE 'UTC', '_YYYYMMDD'), whose, day, day + interval '1 day')
FROM generate_series(1, :days) AS n
CROSS JOIN LATERAL (SELECT (date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC') - make_interval(days => n) AS day) AS d
CROSS JOIN (VALUES ('ended'), ('activity_log')) AS p (whose)
\gexec

-- Of a hundred executions 96 complete, two fail, one is cancelled, and one times out or is terminated.
INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, workflow_version_id, status, priority, attempt_count, created_at, available_at,
    claimed_at, dispatched_at, ended_at, unique_key, trigger_type, enqueued_by, engine_run_id, input, output, error)
SELECT pg_temp.id_of(e.at), c.workspace_id, CASE WHEN e.n % 20 = 0 THEN c.other ELSE c.main END, CASE WHEN e.n % 20 <> 0 THEN c.version END, e.status, 3, 0, e.at, e.at,
    e.at + interval '1 second', e.at + interval '1.1 seconds', e.at + interval '5 seconds', CASE WHEN e.n % 10 = 0 THEN 'key ' || e.n END, 'CLI', 'shop', gen_random_uuid(),
    CASE WHEN e.n % 50 <> 0 THEN jsonb_build_object('order', e.n, 'note', repeat('x', 200)) END,
    CASE WHEN e.status = 'COMPLETED' THEN jsonb_build_object('done', e.n) END,
    CASE WHEN e.status <> 'COMPLETED' THEN jsonb_build_object('message', 'it did not work') END
FROM (
    SELECT n, now() - make_interval(days => :days) + interval '1 minute' + make_interval(secs => (:days * 86400 - 120)::float8 * n / :ended) AS at,
        CASE WHEN n % 100 < 96 THEN 'COMPLETED' WHEN n % 100 < 98 THEN 'FAILED' WHEN n % 100 = 98 THEN 'CANCELLED' WHEN n % 1000 = 99 THEN 'TERMINATED' ELSE 'TIMED_OUT' END AS status
    FROM generate_series(1, :ended) AS n OFFSET 0) AS e
JOIN cast_of c ON c.n = (e.n::bigint * 7919 % :workspaces);
INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, reason, actor, error, priority, attempt_count, created_at, available_at,
    ended_at, trigger_type, enqueued_by, input)
SELECT pg_temp.id_of(e.at), c.workspace_id, c.main, (ARRAY['FAILED', 'CANCELLED', 'EXPIRED'])[1 + e.n % 3], (ARRAY['start-failed', 'cancelled', 'expired'])[1 + e.n % 3],
    'recovery', '{"message": "it was not to be"}', 3, 3, e.at, e.at, e.at + interval '10 minutes', 'CLI', 'shop', jsonb_build_object('order', e.n, 'note', repeat('x', 200))
FROM (SELECT n, now() - make_interval(days => :days) + interval '1 minute' + make_interval(secs => (:days * 86400 - 900)::float8 * n / :refused) AS at
    FROM generate_series(1, :refused) AS n OFFSET 0) AS e
JOIN cast_of c ON c.n = (e.n::bigint * 104729 % :workspaces);
INSERT INTO sluice.inputs (id, input) SELECT e.id, jsonb_build_object('note', repeat('large ', 500)) FROM sluice.ended e WHERE e.input IS NULL;
INSERT INTO sluice.unique_keys (workspace_id, unique_key, queue_id)
SELECT e.workspace_id, e.unique_key, e.id FROM sluice.ended e WHERE e.unique_key IS NOT NULL;

-- What waits, and the few that run.
INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, priority, created_at, available_at, trigger_type, enqueued_by, input)
SELECT pg_temp.id_of(p.at), c.workspace_id, c.main, 1 + p.n % 5, p.at, p.at, 'CLI', 'shop', jsonb_build_object('order', p.n, 'note', repeat('x', 200))
FROM (SELECT n, now() - interval '1 hour' + make_interval(secs => 3000::float8 * n / :pending) AS at FROM generate_series(1, :pending) AS n OFFSET 0) AS p
JOIN cast_of c ON c.n = (p.n::bigint * 7919 % :workspaces) / 2 * 2;
INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, workflow_version_id, priority, attempt_count, turn, created_at, available_at,
    claimed_at, dispatched_at, trigger_type, enqueued_by, engine_run_id, input)
SELECT pg_temp.id_of(now() - interval '1 minute'), c.workspace_id, c.main, c.version, 3, 0, 1, now() - interval '1 minute', now() - interval '1 minute',
    now() - interval '50 seconds', now() - interval '50 seconds', 'CLI', 'shop', gen_random_uuid(), '{}'
FROM cast_of c WHERE c.n % 4 = 0;
VACUUM ANALYZE;
