-- Where a definition stands in the list of those of a workspace, or of all for NULL.
SELECT d.workspace_id AS workspace, d.name FROM sluice.workflow_definitions d
WHERE d.id = :'definition'::uuid AND (:'workspace'::uuid IS NULL OR d.workspace_id = :'workspace'::uuid);
