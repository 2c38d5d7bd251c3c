-- What the workflows of items are called in Temporal, the runs that are known of them, and whether they are workflows of their caller's own.
SELECT i.id, t.workflow_id, coalesce(t.run_id, ''), t.own
FROM unnest(:'ids'::uuid[]) AS i (id)
CROSS JOIN LATERAL (
    SELECT coalesce(r.workflow_id, 'execution-' || r.id) AS workflow_id, r.engine_run_id AS run_id, r.workflow_type IS NOT NULL AS own FROM sluice.running r WHERE r.id = i.id
    UNION ALL
    SELECT coalesce(p.workflow_id, 'execution-' || p.id), NULL, p.workflow_type IS NOT NULL FROM sluice.pending p WHERE p.id = i.id
    UNION ALL
    SELECT coalesce(e.workflow_id, 'execution-' || e.id), e.engine_run_id, e.workflow_type IS NOT NULL FROM sluice.ended e WHERE e.id = i.id AND e.ended_at >= sluice.made_at(i.id)
    LIMIT 1) AS t;
