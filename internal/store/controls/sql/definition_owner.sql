-- The workspace that owns a definition.
SELECT d.workspace_id FROM sluice.workflow_definitions d WHERE d.id = :'definition'::uuid;
