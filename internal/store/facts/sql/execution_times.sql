-- When executions waited and held their slots. Nothing of them is older than the oldest id.
SELECT r.id, r.workspace_id, CASE WHEN r.dispatched_at IS NULL THEN 'CLAIMED' ELSE 'RUNNING' END AS status,
       r.available_at, r.claimed_at, NULL::timestamptz AS completed_at
FROM sluice.running r WHERE r.id = ANY (:'ids'::uuid[])
UNION ALL
SELECT e.id, e.workspace_id, e.status, e.available_at, e.claimed_at, e.ended_at
FROM sluice.ended e WHERE e.reason IS NULL AND e.id = ANY (:'ids'::uuid[]) AND e.ended_at >= sluice.made_at(:'oldest'::uuid);
