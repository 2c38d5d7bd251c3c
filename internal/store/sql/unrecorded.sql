-- The executions of closed runs whose end is not on record: they hold a slot, or what is on record is the end of another run. A run that
-- closed long before what is on record is an earlier one of its chain; clocks may differ by a minute. What is on record and holds a slot
-- was pending a second time: that claim is taken away (drop_claim.sql), and must not end once more.
SELECT DISTINCT closed.id
FROM unnest(:'ids'::uuid[], :'runs'::text[], :'closed'::timestamptz[]) AS closed (id, run_id, at)
LEFT JOIN LATERAL (SELECT r.id FROM sluice.running r WHERE r.id = closed.id LIMIT 1) AS r ON true
LEFT JOIN LATERAL (
    SELECT e.id, e.engine_run_id, e.ended_at FROM sluice.ended e
    WHERE e.id = closed.id AND e.ended_at >= sluice.made_at(closed.id) AND e.reason IS NULL LIMIT 1) AS e ON true
WHERE CASE WHEN e.id IS NULL THEN r.id IS NOT NULL
    ELSE r.id IS NULL AND e.engine_run_id IS DISTINCT FROM closed.run_id AND (closed.at < e.ended_at - interval '1 minute') IS NOT TRUE END;
