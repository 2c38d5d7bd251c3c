-- The executions that no worker carries on, the longest first, and what keeps them.
SELECT r.id, r.workspace_id, r.unserved_since AS since, coalesce(r.unserved, '') AS what FROM sluice.running r
WHERE r.unserved_since IS NOT NULL ORDER BY r.unserved_since, r.id LIMIT :'most'::int;
