-- The pauses that hold, the latest first.
SELECT p.workspace_id, w.name AS workspace_name, p.workflow_type, p.workflow_definition_id AS definition_id, d.name AS definition_name,
       p.actor, coalesce(p.reason, '') AS reason, p.since, p.until
FROM sluice.pauses_in_force p
LEFT JOIN sluice.workspaces w ON w.id = p.workspace_id
LEFT JOIN sluice.workflow_definitions d ON d.id = p.workflow_definition_id
ORDER BY p.since DESC, p.id;
