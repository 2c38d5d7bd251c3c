-- The request with which a workflow was enqueued, NULL where it was not enqueued with one.
SELECT coalesce(i.request, (SELECT n.request FROM sluice.inputs n WHERE n.id = :'item'::uuid))
FROM (
    SELECT p.request FROM sluice.pending p WHERE p.id = :'item'::uuid
    UNION ALL
    SELECT r.request FROM sluice.running r WHERE r.id = :'item'::uuid
    UNION ALL
    SELECT e.request FROM sluice.ended e WHERE e.id = :'item'::uuid AND e.ended_at >= sluice.made_at(:'item'::uuid)
) AS i;
