-- Definitions with their current versions, as far as there is one.
SELECT d.id, d.workspace_id, d.name, v.id, v.version_number
FROM unnest(:'definitions'::uuid[]) AS asked (id)
CROSS JOIN LATERAL (SELECT * FROM sluice.workflow_definitions d WHERE d.id = asked.id LIMIT 1) AS d
LEFT JOIN LATERAL (
    SELECT v.id, v.version_number FROM sluice.workflow_definition_versions v
    WHERE v.workflow_definition_id = d.id AND v.version_number = d.version_number LIMIT 1) AS v ON true;
