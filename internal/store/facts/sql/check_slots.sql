-- Slots that are held by what does not run, or by a run that is not known: how many slots there are, how many of them are
-- broken, and the first of those. What has ended is looked up for each: it may have been long ago.
WITH broken AS MATERIALIZED (
    SELECT r.id, 'it holds a slot, but is pending' AS what FROM sluice.running r JOIN sluice.pending p ON p.id = r.id
    UNION ALL
    SELECT r.id, 'it holds a slot, but has ended' FROM sluice.running r
    WHERE EXISTS (SELECT FROM sluice.ended e WHERE e.id = r.id AND e.ended_at >= sluice.made_at(r.id) OFFSET 0)
    UNION ALL
    SELECT r.id, 'it holds a slot and was started, but without a run id' FROM sluice.running r
    WHERE r.dispatched_at IS NOT NULL AND coalesce(r.engine_run_id, '') = ''
), first AS (
    SELECT b.id, b.what FROM broken b ORDER BY b.id, b.what LIMIT :'most'::int
)
SELECT (SELECT count(*) FROM sluice.running) AS checked, (SELECT count(*) FROM broken) AS broken,
       ARRAY(SELECT f.id FROM first f ORDER BY f.id, f.what) AS ids, ARRAY(SELECT f.what FROM first f ORDER BY f.id, f.what) AS whats;
