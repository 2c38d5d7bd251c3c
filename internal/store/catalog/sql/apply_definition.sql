-- Makes a graph the current version of the definition of its name, and creates the definition if there is none. A graph that
-- is current already changes nothing. It is no row if the workspace would have more than :most definitions. Of the versions the
-- newest :kept stay, and those that executions still run: a claim that used an older one has taken its turn, and committed, before
-- that was replaced. The workspace must be locked, by an earlier statement: this one sees what others have committed until it begins.
WITH known AS (
    SELECT d.id, d.version_number, d.updated_at, v.workflow IS NOT DISTINCT FROM :'workflow'::jsonb AS same
    FROM sluice.workflow_definitions d LEFT JOIN sluice.workflow_definition_versions v
         ON v.workflow_definition_id = d.id AND v.version_number = d.version_number
    WHERE d.workspace_id = :'workspace'::uuid AND d.name = :'name'::text
), created AS (
    INSERT INTO sluice.workflow_definitions (workspace_id, name, version_number)
    SELECT :'workspace'::uuid, :'name'::text, 1
    WHERE NOT EXISTS (SELECT FROM known)
      AND (SELECT count(*) FROM sluice.workflow_definitions d WHERE d.workspace_id = :'workspace'::uuid) < :'most'::integer
    RETURNING id, version_number, updated_at
), added AS (
    INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow)
    SELECT c.id, c.version_number, :'workflow'::jsonb FROM created c
    UNION ALL
    SELECT k.id, 1 + (SELECT coalesce(max(v.version_number), 0) FROM sluice.workflow_definition_versions v WHERE v.workflow_definition_id = k.id), :'workflow'::jsonb
    FROM known k WHERE NOT k.same
    RETURNING workflow_definition_id, version_number
), moved AS (
    UPDATE sluice.workflow_definitions d SET version_number = a.version_number, updated_at = now()
    FROM known k JOIN added a ON a.workflow_definition_id = k.id
    WHERE d.id = k.id
    RETURNING d.id, d.version_number, d.updated_at
), forgotten AS (
    DELETE FROM sluice.workflow_definition_versions v USING added a
    WHERE v.workflow_definition_id = a.workflow_definition_id AND v.version_number <= a.version_number - :'kept'::integer
      AND NOT EXISTS (SELECT FROM sluice.running r WHERE r.workflow_version_id = v.id)
), logged AS (
    INSERT INTO sluice.activity_log (actor, action, workspace_id, details)
    SELECT :'actor'::text, 'definition-applied', :'workspace'::uuid, jsonb_build_object('definition', :'name'::text, 'version', a.version_number)
    FROM added a
)
SELECT d.id, :'workspace'::uuid AS workspace_id, :'name'::text AS name, d.version_number AS version,
       jsonb_array_length(:'workflow'::jsonb -> 'nodes') AS nodes, d.updated_at
FROM (SELECT c.* FROM created c UNION ALL SELECT m.* FROM moved m UNION ALL SELECT k.id, k.version_number, k.updated_at FROM known k WHERE k.same) AS d;
