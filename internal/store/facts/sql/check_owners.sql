-- Executions that run a version of a definition that is not theirs: how many run one that there still is, how many of them
-- are broken, and the first of those. With a time, of those that are open or have ended since; with NULL, of all there are.
WITH executions AS NOT MATERIALIZED (
    SELECT r.id, r.workspace_id, r.workflow_definition_id, r.workflow_version_id FROM sluice.running r
    UNION ALL
    SELECT e.id, e.workspace_id, e.workflow_definition_id, e.workflow_version_id FROM sluice.ended e
    WHERE e.reason IS NULL AND e.ended_at >= coalesce(:'since'::timestamptz, '-infinity')
), broken AS MATERIALIZED (
    SELECT e.id, CASE WHEN d.workspace_id <> e.workspace_id
           THEN 'it belongs to workspace ' || e.workspace_id || ' and runs a definition of ' || d.workspace_id
           ELSE 'it asked for definition ' || e.workflow_definition_id || ' and runs a version of ' || d.id END AS what
    FROM executions e
    JOIN sluice.workflow_definition_versions v ON v.id = e.workflow_version_id
    JOIN sluice.workflow_definitions d ON d.id = v.workflow_definition_id
    WHERE d.workspace_id <> e.workspace_id OR d.id <> e.workflow_definition_id
), first AS (
    SELECT b.id, b.what FROM broken b ORDER BY b.id, b.what LIMIT :'most'::int
)
SELECT (SELECT count(*) FROM executions e JOIN sluice.workflow_definition_versions v ON v.id = e.workflow_version_id) AS checked,
       (SELECT count(*) FROM broken) AS broken,
       ARRAY(SELECT f.id FROM first f ORDER BY f.id, f.what) AS ids, ARRAY(SELECT f.what FROM first f ORDER BY f.id, f.what) AS whats;
