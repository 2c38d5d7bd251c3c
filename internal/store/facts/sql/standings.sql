-- Where items are: the status of their execution, else their own, and when they took the slot that they hold. Nothing of
-- them is older than the oldest id.
SELECT n.id, coalesce(CASE WHEN r.dispatched_at IS NOT NULL THEN 'RUNNING' WHEN r.id IS NOT NULL THEN 'CLAIMED' END,
           e.status, CASE WHEN p.id IS NOT NULL THEN 'PENDING' END) AS status, r.claimed_at AS slot_at
FROM (SELECT DISTINCT n.id FROM unnest(:'ids'::uuid[]) AS n (id)) AS n
LEFT JOIN sluice.running r ON r.id = n.id
LEFT JOIN (
    SELECT DISTINCT ON (e.id) e.id, e.status FROM sluice.ended e
    WHERE e.id = ANY (:'ids'::uuid[]) AND e.ended_at >= sluice.made_at(:'oldest'::uuid) ORDER BY e.id, e.ended_at DESC
) AS e ON e.id = n.id
LEFT JOIN sluice.pending p ON p.id = n.id;
