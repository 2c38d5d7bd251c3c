-- Items that are in two places or in none, that were started without a trace of their run, or whose input is lost: how many
-- were looked at, how many of them are broken, and the first of those. With a time, of what runs and what has ended since;
-- with NULL, of all there is. "None" is seen where a unique key answers with an item that is nowhere, and that was made
-- later than anything which retention may have dropped.
WITH ended AS NOT MATERIALIZED (
    SELECT e.id, e.status, e.reason, e.engine_run_id FROM sluice.ended e WHERE e.ended_at >= coalesce(:'since'::timestamptz, '-infinity')
), broken AS MATERIALIZED (
    SELECT r.id, 'it is pending and runs' AS what FROM sluice.running r JOIN sluice.pending p ON p.id = r.id
    UNION ALL
    SELECT e.id, 'it is pending and has ended' FROM ended e JOIN sluice.pending p ON p.id = e.id
    UNION ALL
    SELECT e.id, 'it runs and has ended' FROM ended e JOIN sluice.running r ON r.id = e.id
    UNION ALL
    SELECT e.id, 'it has ended twice' FROM ended e GROUP BY 1 HAVING count(*) > 1
    UNION ALL
    SELECT e.id, 'its execution is ' || e.status || ' without a run id' FROM ended e WHERE e.reason IS NULL AND coalesce(e.engine_run_id, '') = ''
    UNION ALL
    SELECT r.id, 'it runs, and its input is lost' FROM sluice.running r
    WHERE r.input IS NULL AND r.request IS NULL AND NOT EXISTS (SELECT FROM sluice.inputs i WHERE i.id = r.id)
    UNION ALL
    SELECT p.id, 'it is pending, and its input is lost' FROM sluice.pending p
    WHERE :'since'::timestamptz IS NULL AND p.input IS NULL AND p.request IS NULL AND NOT EXISTS (SELECT FROM sluice.inputs i WHERE i.id = p.id)
    UNION ALL
    SELECT k.queue_id, 'it is nowhere, but unique key ' || k.unique_key || ' answers with it' FROM sluice.unique_keys k
    WHERE :'since'::timestamptz IS NULL
      AND sluice.made_at(k.queue_id) >= (SELECT min(p.from_at) FROM sluice.partitions p WHERE p.parent = 'ended')
      AND NOT EXISTS (SELECT FROM sluice.pending p WHERE p.id = k.queue_id)
      AND NOT EXISTS (SELECT FROM sluice.running r WHERE r.id = k.queue_id)
      AND NOT EXISTS (SELECT FROM ended e WHERE e.id = k.queue_id)
), first AS (
    SELECT b.id, b.what FROM broken b ORDER BY b.id, b.what LIMIT :'most'::int
)
SELECT (SELECT count(*) FROM sluice.running) + (SELECT count(*) FROM ended)
           + (SELECT count(*) FROM sluice.pending WHERE :'since'::timestamptz IS NULL) AS checked,
       (SELECT count(*) FROM broken) AS broken,
       ARRAY(SELECT f.id FROM first f ORDER BY f.id, f.what) AS ids, ARRAY(SELECT f.what FROM first f ORDER BY f.id, f.what) AS whats;
