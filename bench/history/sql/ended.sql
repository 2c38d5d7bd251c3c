-- So many items that ended between two times, in that order: a few workspaces have most of them. Seven in ten are workflows of 20 types, one in
-- 100,000 is of a rare type; the others are definitions. One in 16 did not go well.
INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, reason, actor, priority, attempt_count, created_at, available_at, claimed_at, dispatched_at, ended_at,
    trigger_type, enqueued_by, engine_run_id, input, error, workflow_type, task_queue, workflow_id)
SELECT (lpad(to_hex((extract(epoch FROM i.made) * 1000)::bigint), 12, '0') || '7' || substr(md5(i.n::text), 1, 3) || '8' || substr(md5(i.n::text || 'x'), 1, 15))::uuid,
       w.ids[1 + i.of], CASE WHEN i.kind IS NULL THEN w.definitions[1 + i.of] END, o.status, o.reason, CASE WHEN o.reason IS NOT NULL THEN 'dispatcher' END, 3, 1, i.made, i.made,
       CASE WHEN o.reason IS NULL THEN i.at - i.runs END, CASE WHEN o.reason IS NULL THEN i.at - i.runs END, i.at, 'FUNCTION', 'shop', CASE WHEN o.reason IS NULL THEN md5(i.n::text) END,
       CASE WHEN i.kind IS NULL THEN jsonb_build_object('order', i.n, 'note', repeat('x', 100)) ELSE jsonb_build_object('args', jsonb_build_array(i.n, repeat('x', 100))) END,
       CASE WHEN o.status <> 'COMPLETED' THEN jsonb_build_object('message', (ARRAY['http 503 from host ', 'no customer ', 'timed out after ', 'card refused: '])[1 + i.n % 4] || i.n) END,
       i.kind, CASE WHEN i.kind IS NOT NULL THEN 'orders' END, CASE WHEN i.kind IS NOT NULL THEN 'order-' || i.n END
FROM (
    SELECT n, x.at, x.at - x.runs - random() * random() * interval '5 minutes' AS made, x.runs, floor(random() ^ 3 * cardinality($1::uuid[]))::int AS of, random() AS outcome,
           CASE WHEN n % 100000 = 7 THEN 'Rare' WHEN random() < 0.7 THEN 'Type' || floor(random() ^ 2 * 20) END AS kind
    FROM generate_series($3::int, $4::int - 1) AS n CROSS JOIN LATERAL (
        SELECT $5::timestamptz + ($6::timestamptz - $5::timestamptz) * ((n - $3) / ($4 - $3)::float8) AS at, random() * random() * interval '30 seconds' AS runs) AS x
) AS i
CROSS JOIN (SELECT $1::uuid[] AS ids, $2::uuid[] AS definitions) AS w
CROSS JOIN LATERAL (
    SELECT CASE WHEN i.outcome < 0.9375 THEN 'COMPLETED' WHEN i.outcome < 0.97 THEN 'FAILED' WHEN i.outcome < 0.975 THEN 'TIMED_OUT' WHEN i.outcome < 0.978 THEN 'TERMINATED'
                WHEN i.outcome < 0.985 THEN 'CANCELLED' WHEN i.outcome < 0.995 THEN 'FAILED' WHEN i.outcome < 0.998 THEN 'CANCELLED' ELSE 'EXPIRED' END AS status,
           CASE WHEN i.outcome < 0.985 THEN NULL WHEN i.outcome < 0.995 THEN 'start-failed' WHEN i.outcome < 0.998 THEN 'cancelled' ELSE 'expired' END AS reason) AS o;
