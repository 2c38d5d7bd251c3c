-- What executions that run need and no live worker has: of these workspaces, or with NULL of all.
SELECT m.workspace_id, m.workflow_type, m.executions FROM sluice.missing_types m
WHERE :'workspaces'::uuid[] IS NULL OR m.workspace_id = ANY (:'workspaces'::uuid[])
ORDER BY m.workspace_id, m.workflow_type;
