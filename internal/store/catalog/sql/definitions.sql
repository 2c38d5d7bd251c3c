-- The definitions of a workspace at their current versions, by name; those of all workspaces for NULL.
SELECT d.id, d.workspace_id, d.name, d.version_number AS version, d.updated_at,
       coalesce(jsonb_array_length(CASE WHEN jsonb_typeof(v.workflow -> 'nodes') = 'array' THEN v.workflow -> 'nodes' END), 0) AS nodes
FROM sluice.workflow_definitions d LEFT JOIN sluice.workflow_definition_versions v
     ON v.workflow_definition_id = d.id AND v.version_number = d.version_number
WHERE :'workspace'::uuid IS NULL OR d.workspace_id = :'workspace'::uuid
ORDER BY d.name, d.id;
