-- The ids of the newest items, at most so many: of a workspace, or with NULL of all; of those with a status, their own or
-- their execution's, or with '' of any. Each branch reads an index no further than the answer goes, and none at all where
-- a condition without a column says no. Only what a workspace has pending is read all, from the index of its lines: by id
-- it could be far behind what others have.
(SELECT p.id FROM sluice.pending p
 WHERE :'workspace'::uuid IS NULL AND :'status'::text IN ('', 'PENDING')
 ORDER BY p.id DESC LIMIT :'most'::int)
UNION ALL
(SELECT p.id FROM (
     SELECT q.id FROM sluice.pending q
     WHERE :'workspace'::uuid IS NOT NULL AND q.workspace_id = :'workspace'::uuid AND :'status'::text IN ('', 'PENDING') OFFSET 0) AS p
 ORDER BY p.id DESC LIMIT :'most'::int)
UNION ALL
(SELECT r.id FROM sluice.running r
 WHERE (r.workspace_id = :'workspace'::uuid) IS NOT FALSE
   AND (:'status'::text = '' OR :'status'::text IN ('DISPATCHED', 'RUNNING') AND r.dispatched_at IS NOT NULL
        OR :'status'::text = 'CLAIMED' AND r.dispatched_at IS NULL)
 ORDER BY r.id DESC LIMIT :'most'::int)
UNION ALL
(SELECT e.id FROM sluice.ended e
 WHERE :'workspace'::uuid IS NULL AND :'status'::text NOT IN ('PENDING', 'CLAIMED', 'RUNNING')
   AND (:'status'::text IN ('', e.status) OR :'status'::text = 'DISPATCHED' AND e.reason IS NULL)
 ORDER BY e.id DESC LIMIT :'most'::int)
UNION ALL
(SELECT e.id FROM sluice.ended e
 WHERE :'workspace'::uuid IS NOT NULL AND e.workspace_id = :'workspace'::uuid AND :'status'::text NOT IN ('PENDING', 'CLAIMED', 'RUNNING')
   AND (:'status'::text IN ('', e.status) OR :'status'::text = 'DISPATCHED' AND e.reason IS NULL)
 ORDER BY e.id DESC LIMIT :'most'::int)
ORDER BY id DESC LIMIT :'most'::int;
