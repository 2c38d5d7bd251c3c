-- So many items that wait, for the same workspaces: most came within the last half hour, one in 50 is scheduled, and of one in 100 the last start failed.
INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, priority, created_at, available_at, enqueued_by, last_error, input, workflow_type, task_queue, workflow_id)
SELECT (lpad(to_hex((extract(epoch FROM i.made) * 1000)::bigint), 12, '0') || '7' || substr(md5(i.n::text), 1, 3) || '8' || substr(md5(i.n::text || 'y'), 1, 15))::uuid,
       w.ids[1 + i.of], CASE WHEN i.kind IS NULL THEN w.definitions[1 + i.of] END, CASE WHEN i.n % 6 = 0 THEN 1 + i.n / 6 % 5 ELSE 3 END, i.made,
       CASE WHEN i.n % 50 = 0 THEN now() + random() * interval '1 day' ELSE i.made END, 'shop', CASE WHEN i.n % 100 = 0 THEN 'no such task queue ' || i.n END,
       CASE WHEN i.kind IS NULL THEN jsonb_build_object('order', i.n, 'note', repeat('x', 100)) ELSE jsonb_build_object('args', jsonb_build_array(i.n, repeat('x', 100))) END,
       i.kind, CASE WHEN i.kind IS NOT NULL THEN 'orders' END, CASE WHEN i.kind IS NOT NULL THEN 'waits-' || i.n END
FROM (
    SELECT n, now() - interval '30 minutes' * (1 - n / $3::float8) AS made, floor(random() ^ 3 * cardinality($1::uuid[]))::int AS of,
           CASE WHEN n = 7 THEN 'Rare' WHEN random() < 0.7 THEN 'Type' || floor(random() ^ 2 * 20) END AS kind
    FROM generate_series(1, $3::int) AS n
) AS i CROSS JOIN (SELECT $1::uuid[] AS ids, $2::uuid[] AS definitions) AS w;
