-- The executions of open runs that hold no slot, except where the outcome of just that run is on record.
SELECT DISTINCT open.id
FROM unnest(:'ids'::uuid[], :'runs'::text[]) AS open (id, run_id)
LEFT JOIN LATERAL (SELECT r.id FROM sluice.running r WHERE r.id = open.id LIMIT 1) AS r ON true
LEFT JOIN LATERAL (
    SELECT e.engine_run_id FROM sluice.ended e WHERE e.id = open.id AND e.ended_at >= sluice.made_at(open.id) LIMIT 1) AS e ON true
WHERE r.id IS NULL AND e.engine_run_id IS DISTINCT FROM open.run_id;
