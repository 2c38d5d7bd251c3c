-- Ends the pause of everything, a workspace, a type or a definition, but for those of its parts. Returns whether it still held.
DELETE FROM sluice.pauses p
WHERE p.workspace_id IS NOT DISTINCT FROM :'workspace'::uuid AND p.workflow_type IS NOT DISTINCT FROM :'type'::text
  AND p.workflow_definition_id IS NOT DISTINCT FROM :'definition'::uuid
RETURNING (p.until > now()) IS NOT FALSE;
