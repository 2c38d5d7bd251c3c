-- Whether an item has ended without an execution.
SELECT EXISTS (
    SELECT FROM sluice.ended e WHERE e.id = :'id'::uuid AND e.ended_at >= sluice.made_at(:'id'::uuid) AND e.reason IS NOT NULL);
