-- Deletes what has ended of a workspace that is gone, with its large inputs, at most so many.
WITH page AS MATERIALIZED (
    SELECT * FROM (
        (SELECT e.id, e.ended_at FROM sluice.ended e
         WHERE e.workspace_id = :'workspace'::uuid AND e.status = 'COMPLETED' LIMIT :'most'::int)
        UNION ALL
        (SELECT e.id, e.ended_at FROM sluice.ended e
         WHERE e.workspace_id = :'workspace'::uuid AND e.reason IS NULL AND e.status <> 'COMPLETED' LIMIT :'most'::int)
        UNION ALL
        (SELECT e.id, e.ended_at FROM sluice.ended e
         WHERE e.workspace_id = :'workspace'::uuid AND e.reason IS NOT NULL LIMIT :'most'::int)) AS any_class
    LIMIT :'most'::int
), gone AS (
    DELETE FROM sluice.ended e USING page p WHERE e.id = p.id AND e.ended_at = p.ended_at RETURNING e.id
), inputs AS (
    DELETE FROM sluice.inputs i USING gone g WHERE i.id = g.id
)
SELECT count(*) FROM gone;
