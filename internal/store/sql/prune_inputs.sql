-- Deletes those of the next large inputs, by their ids, whose item is nowhere. Returns how many, how many it has looked at, and
-- the last of these.
WITH page AS MATERIALIZED (
    SELECT i.id FROM sluice.inputs i WHERE i.id > :'after'::uuid ORDER BY i.id LIMIT :'most'::int
), gone AS (
    DELETE FROM sluice.inputs i USING page n
    WHERE i.id = n.id
      AND NOT EXISTS (SELECT FROM sluice.pending p WHERE p.id = n.id)
      AND NOT EXISTS (SELECT FROM sluice.running r WHERE r.id = n.id)
      AND NOT EXISTS (SELECT FROM sluice.ended e WHERE e.id = n.id AND e.ended_at >= sluice.made_at(n.id) OFFSET 0)
    RETURNING i.id
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM page),
       coalesce((SELECT n.id FROM page n ORDER BY n.id DESC LIMIT 1), '00000000-0000-0000-0000-000000000000');
