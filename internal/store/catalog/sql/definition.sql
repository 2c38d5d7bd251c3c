-- A definition at its current version, with its graph.
SELECT d.id, d.workspace_id, d.name, d.version_number AS version, d.updated_at, v.workflow AS graph,
       coalesce(jsonb_array_length(CASE WHEN jsonb_typeof(v.workflow -> 'nodes') = 'array' THEN v.workflow -> 'nodes' END), 0) AS nodes
FROM sluice.workflow_definitions d LEFT JOIN sluice.workflow_definition_versions v
     ON v.workflow_definition_id = d.id AND v.version_number = d.version_number
WHERE d.id = :'definition'::uuid;
