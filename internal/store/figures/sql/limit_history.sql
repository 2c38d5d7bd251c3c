-- The newest changes of what a workspace may use: of its own limits and plan, of its plan's, and of the global limit. Of what all
-- workspaces share it looks through the newest 1,000 changes.
SELECT c.at, c.actor, c.action, c.details FROM (
    (SELECT c.* FROM sluice.limit_changes c WHERE c.workspace_id = :'workspace'::uuid ORDER BY c.at DESC, c.id DESC LIMIT :'most'::int)
    UNION ALL
    (SELECT c.* FROM (
        SELECT c.* FROM sluice.limit_changes c WHERE c.workspace_id IS NULL ORDER BY c.at DESC, c.id DESC LIMIT 1000) AS c
     WHERE c.action = 'settings-changed'
        OR c.action = 'tier-changed' AND c.details ->> 'plan' = (SELECT w.plan FROM sluice.workspaces w WHERE w.id = :'workspace'::uuid))
) AS c
ORDER BY c.at DESC, c.id DESC LIMIT :'most'::int;
