-- A page of definitions at their current versions, by workspace and name: of those of a workspace, or of all for NULL, and for another name
-- than NULL of those that come after it. Only the versions of the page are read: each may have half a megabyte.
SELECT d.id, d.workspace_id, d.name, d.version_number AS version, d.updated_at,
       coalesce(jsonb_array_length(CASE WHEN jsonb_typeof(v.workflow -> 'nodes') = 'array' THEN v.workflow -> 'nodes' END), 0) AS nodes
FROM (
    SELECT p.* FROM sluice.workflow_definitions p
    WHERE (:'workspace'::uuid IS NULL OR p.workspace_id = :'workspace'::uuid)
      AND (:'after_name'::text IS NULL OR (p.workspace_id, p.name) > (:'after_workspace'::uuid, :'after_name'::text))
    ORDER BY p.workspace_id, p.name LIMIT :'most'::integer
) AS d LEFT JOIN sluice.workflow_definition_versions v
     ON v.workflow_definition_id = d.id AND v.version_number = d.version_number
ORDER BY d.workspace_id, d.name;
