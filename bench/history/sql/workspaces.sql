-- So many workspaces, each with a definition: one in five lends what it leaves idle to its cohort.
WITH made AS (
    INSERT INTO sluice.workspaces (name, external_key, plan, cohort)
    SELECT 'workspace ' || lpad(n::text, 5, '0'), 'key-' || n, (ARRAY['FREE', 'STARTER', 'PRO', 'ENTERPRISE'])[1 + n % 4], CASE WHEN n % 5 = 0 THEN 'cohort-' || n % 50 END
    FROM generate_series(1, $1::int) AS n RETURNING id
), definitions AS (
    INSERT INTO sluice.workflow_definitions (workspace_id, name) SELECT m.id, 'definition ' || row_number() OVER () % 40 FROM made m RETURNING id
)
INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) SELECT d.id, 1, '{"name": "nothing", "nodes": []}' FROM definitions d;
