-- What runs, by workflow type or name of the definition: what holds a slot, and of what has been enqueued since a time and has ended the
-- newest of each outcome, at most so many. Where one outcome has more, the others are not followed further back than that one. A definition
-- of a name is counted over all workspaces that have one of it; with a name, each of them by itself.
WITH done AS MATERIALIZED (
    (SELECT e.id, e.workflow_type, e.workflow_definition_id, e.workspace_id, e.status, e.ended_at - e.dispatched_at AS runs, e.claimed_at - e.available_at AS waits, e.ended_at
     FROM sluice.ended e WHERE e.status = 'COMPLETED' AND e.id >= :'first'::uuid AND e.ended_at >= :'since'::timestamptz ORDER BY e.id DESC LIMIT :'most'::int)
    UNION ALL
    SELECT f.* FROM (VALUES ('FAILED'), ('TIMED_OUT'), ('TERMINATED'), ('CANCELLED')) AS o (status) CROSS JOIN LATERAL (
        SELECT e.id, e.workflow_type, e.workflow_definition_id, e.workspace_id, e.status, e.ended_at - e.dispatched_at, e.claimed_at - e.available_at, e.ended_at
        FROM sluice.ended e WHERE e.reason IS NULL AND e.status <> 'COMPLETED' AND e.status = o.status
          AND e.id >= :'first'::uuid AND e.ended_at >= :'since'::timestamptz ORDER BY e.id DESC LIMIT :'most'::int) AS f
), oldest AS (
    SELECT c.id FROM (SELECT (array_agg(d.id ORDER BY d.id))[1] AS id, count(*) AS n FROM done d GROUP BY d.status) AS c
    WHERE c.n >= :'most'::int ORDER BY c.id DESC LIMIT 1
), every AS (
    SELECT d.*, false AS now FROM done d WHERE d.id >= coalesce((SELECT o.id FROM oldest o), '00000000-0000-0000-0000-000000000000')
    UNION ALL
    SELECT r.id, r.workflow_type, r.workflow_definition_id, r.workspace_id, 'RUNNING', NULL, NULL, NULL, true FROM sluice.running r
), named AS (
    SELECT coalesce(e.workflow_type, d.name, '') AS name, e.workflow_type IS NULL AS is_definition, e.* FROM every e
    LEFT JOIN sluice.workflow_definitions d ON d.id = e.workflow_definition_id
)
SELECT n.name, n.is_definition, n.definition, CASE WHEN count(DISTINCT n.workspace_id) = 1 THEN (array_agg(n.workspace_id))[1] END AS workspace_id,
       count(DISTINCT n.workspace_id)::int AS workspaces, count(*) FILTER (WHERE n.now)::int AS running,
       count(*) FILTER (WHERE NOT n.now)::int AS ended, count(*) FILTER (WHERE n.status IN ('FAILED', 'TIMED_OUT'))::int AS failed,
       count(*) FILTER (WHERE n.status IN ('CANCELLED', 'TERMINATED'))::int AS stopped,
       coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY n.runs), '0') AS p50, coalesce(percentile_disc(0.99) WITHIN GROUP (ORDER BY n.runs), '0') AS p99,
       coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY n.waits), '0') AS wait50, coalesce(percentile_disc(0.99) WITHIN GROUP (ORDER BY n.waits), '0') AS wait99,
       min(n.ended_at) AS since
FROM (
    SELECT n.*, CASE WHEN :'name'::text <> '' THEN n.workflow_definition_id END AS definition FROM named n
    WHERE :'name'::text = '' OR n.is_definition AND n.name = :'name'::text
) AS n
GROUP BY n.name, n.is_definition, n.definition ORDER BY count(*) DESC, n.name, n.definition LIMIT 200;
