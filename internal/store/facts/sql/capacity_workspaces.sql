-- What workspaces may use and do use, and what waits for them: of these, or with NULL of all that have a backlog, by id. Those
-- it finds by hopping from line to line through their index, each with its first item: it costs by the line, however many
-- items wait. Ready items are counted up to a number, in each priority by itself: one scan over all of them would walk the
-- scheduled items of priority 1 before it reached the first ready item of priority 3. Those of types and definitions that are
-- paused are not counted; where nothing else is ready, the workspace is as if it were paused itself.
WITH RECURSIVE hop AS (
    (SELECT p.workspace_id, p.priority, p.available_at FROM sluice.pending p WHERE :'workspaces'::uuid[] IS NULL
     ORDER BY p.workspace_id, p.priority, p.available_at, p.id LIMIT 1)
    UNION ALL
    SELECT next.* FROM hop h CROSS JOIN LATERAL (
        SELECT p.workspace_id, p.priority, p.available_at FROM sluice.pending p
        WHERE (p.workspace_id, p.priority) > (h.workspace_id, h.priority)
        ORDER BY p.workspace_id, p.priority, p.available_at, p.id LIMIT 1) AS next
), line AS (
    SELECT h.workspace_id, h.priority, h.available_at FROM hop h
    UNION ALL
    SELECT w.id, n.priority, first.available_at
    FROM (SELECT DISTINCT unnest(:'workspaces'::uuid[]) AS id) AS w CROSS JOIN generate_series(1, 5) AS n (priority) CROSS JOIN LATERAL (
        SELECT p.available_at FROM sluice.pending p
        WHERE p.workspace_id = w.id AND p.priority = n.priority ORDER BY p.available_at, p.id LIMIT 1) AS first
), chosen AS (
    SELECT l.workspace_id, min(l.available_at) FILTER (WHERE l.available_at <= now()) AS since FROM line l GROUP BY l.workspace_id
), used AS MATERIALIZED (
    SELECT r.workspace_id, count(*)::int AS n FROM sluice.running r GROUP BY 1
)
SELECT sluice.shard_of(q.workspace_id, q.cohort, s.shards) AS shard, q.workspace_id, q.cohort, q.ceiling AS "limit", q.nominal, q.borrowing_limit, q.lending_limit,
       q.weight, q.starts_per_second, q.burst, coalesce(used.n, 0) AS used, ready.n::int AS ready, nullif(w.since, '-infinity') AS since,
       ready.n = 0 AND w.since IS NOT NULL
           OR EXISTS (SELECT FROM sluice.pauses x WHERE x.workspace_id = w.workspace_id AND x.workflow_type IS NULL AND (x.until > now()) IS NOT FALSE)
           OR EXISTS (SELECT FROM sluice.pauses x WHERE x.workspace_id IS NULL AND x.workflow_type IS NULL AND x.workflow_definition_id IS NULL AND (x.until > now()) IS NOT FALSE) AS paused,
       coalesce(v.own, 0) AS own, coalesce(v.borrowed, 0) AS borrowed, v.tokens, CASE WHEN isfinite(v.tokens_at) THEN v.tokens_at END AS tokens_at, coalesce(v.slot_time, 0) AS slot_time
FROM chosen w
CROSS JOIN sluice.settings s
CROSS JOIN LATERAL (SELECT * FROM sluice.quotas q WHERE q.workspace_id = w.workspace_id LIMIT 1) AS q
LEFT JOIN used ON used.workspace_id = w.workspace_id
LEFT JOIN LATERAL (SELECT * FROM sluice.virtual_times v WHERE v.workspace_id = w.workspace_id LIMIT 1) AS v ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS n FROM (
        SELECT FROM generate_series(1, 5) AS line (priority) CROSS JOIN LATERAL (
            SELECT FROM sluice.pending p
            WHERE p.workspace_id = w.workspace_id AND p.priority = line.priority AND p.available_at <= now()
              AND NOT EXISTS (SELECT FROM sluice.pauses x WHERE x.workflow_definition_id = p.workflow_definition_id AND (x.until > now()) IS NOT FALSE)
              AND NOT EXISTS (SELECT FROM sluice.pauses x WHERE x.workflow_type = p.workflow_type
                              AND (x.workspace_id = w.workspace_id) IS NOT FALSE AND (x.until > now()) IS NOT FALSE)
            ORDER BY p.available_at, p.id LIMIT :'most'::int) AS item
        LIMIT :'most'::int) AS counted
) AS ready
ORDER BY q.workspace_id;
