-- When items were enqueued that still wait, since a time, in steps of so many seconds: how many in each. They are found by their ids,
-- which tell when they were made.
SELECT (floor(extract(epoch FROM p.created_at) / :'step'::float8) * :'step'::float8)::bigint AS at, count(*)::int AS n
FROM sluice.pending p WHERE p.id >= :'first'::uuid AND p.created_at >= :'since'::timestamptz GROUP BY 1;
