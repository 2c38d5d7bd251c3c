-- Executions that have ended after the snapshot of an earlier look, and not before a time: those that events of freed slots name.
-- Transactions that were open at that snapshot and have committed since are found by their ids.
WITH heard AS MATERIALIZED (
    SELECT DISTINCT f.id FROM (
        SELECT unnest(e.freed) AS id FROM sluice.events e
        WHERE e.xid >= pg_snapshot_xmax(:'mark'::pg_snapshot) AND e.xid < pg_snapshot_xmax(pg_current_snapshot())
        UNION ALL
        SELECT unnest(e.freed) FROM sluice.events e WHERE e.xid = ANY (ARRAY(SELECT pg_snapshot_xip(:'mark'::pg_snapshot)))
    ) AS f
)
SELECT e.* FROM heard h CROSS JOIN LATERAL (
    SELECT e.id, e.workspace_id, coalesce(e.workflow_type, '') AS workflow_type, e.workflow_definition_id, e.status, e.available_at, e.claimed_at, e.dispatched_at, e.ended_at
    FROM sluice.ended e WHERE e.id = h.id AND e.ended_at >= :'since'::timestamptz AND e.claimed_at IS NOT NULL
    ORDER BY e.ended_at DESC LIMIT 1) AS e;
