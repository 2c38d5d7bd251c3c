-- What is paused now: workspaces, or with NULL all of them; of these everything, a type, or a definition.
SELECT p.workspace_id, p.workflow_type, p.workflow_definition_id, p.until FROM sluice.pauses_in_force p;
