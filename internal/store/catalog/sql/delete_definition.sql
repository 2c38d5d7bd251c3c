-- Deletes a definition with its versions, and logs who did. Its workspace must be locked.
WITH gone AS (
    DELETE FROM sluice.workflow_definitions d WHERE d.id = :'definition'::uuid AND d.workspace_id = :'workspace'::uuid
    RETURNING d.id, d.workspace_id, d.name, d.version_number, d.updated_at
), logged AS (
    INSERT INTO sluice.activity_log (actor, action, workspace_id, details)
    SELECT :'actor'::text, 'definition-deleted', g.workspace_id, jsonb_build_object('definition', g.name, 'definitionId', g.id, 'version', g.version_number) FROM gone g
)
SELECT g.id, g.workspace_id, g.name, g.version_number AS version, g.updated_at,
       coalesce(jsonb_array_length(CASE WHEN jsonb_typeof(v.workflow -> 'nodes') = 'array' THEN v.workflow -> 'nodes' END), 0) AS nodes
FROM gone g LEFT JOIN sluice.workflow_definition_versions v
     ON v.workflow_definition_id = g.id AND v.version_number = g.version_number;
