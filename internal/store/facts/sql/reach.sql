-- Whose an execution of a definition is, wherever its item is: its start may not be settled yet, and a workflow that was reset runs on
-- after its end. With it the hosts that the workspace's http nodes may call, NULL: any, and the run that is known. Workflows of a caller's
-- own have no http nodes.
SELECT w.id, w.allowed_hosts, coalesce(i.run, '')
FROM (
    SELECT r.workspace_id, r.engine_run_id AS run FROM sluice.running r WHERE r.id = :'id'::uuid AND r.workflow_definition_id IS NOT NULL
    UNION ALL
    SELECT p.workspace_id, NULL FROM sluice.pending p WHERE p.id = :'id'::uuid AND p.workflow_definition_id IS NOT NULL
    UNION ALL
    SELECT e.workspace_id, e.engine_run_id FROM sluice.ended e
    WHERE e.id = :'id'::uuid AND e.ended_at >= sluice.made_at(:'id'::uuid) AND e.workflow_definition_id IS NOT NULL
) i
JOIN sluice.workspaces w ON w.id = i.workspace_id
LIMIT 1;
