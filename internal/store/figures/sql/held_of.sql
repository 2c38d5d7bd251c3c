-- What holds a slot of a workspace, the longest first, at most so many.
SELECT r.id, CASE WHEN r.dispatched_at IS NULL THEN 'CLAIMED' ELSE 'RUNNING' END AS status, coalesce(r.workflow_type, d.name, '') AS kind, r.priority,
       r.available_at, r.claimed_at, r.dispatched_at, NULL::timestamptz AS ended_at, coalesce(r.unserved, CASE WHEN r.dispatched_at IS NULL THEN r.start_error END, '') AS error
FROM sluice.running r LEFT JOIN sluice.workflow_definitions d ON d.id = r.workflow_definition_id
WHERE r.workspace_id = :'workspace'::uuid ORDER BY r.claimed_at, r.id LIMIT :'most'::int;
