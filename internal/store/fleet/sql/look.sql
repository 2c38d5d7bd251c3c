-- The workspaces that hold slots for what runs on their own task queue, and those that are named because they are about to, as one
-- worker sees them. A workflow of one's own there counts if the worker has its type: others may be those of workers that do not tell of
-- themselves, in any language.
-- lacks      it does not have every workflow type that their definitions and workflows need on their own task queue;
-- leaves     another live worker has all of these that it has, and more;
-- elsewhere  another one hosts them now, and yields: with the better right. Both are only told where it is asked for.
WITH work AS MATERIALIZED (
    SELECT r.workspace_id AS id, r.workflow_version_id AS version FROM sluice.running r
    WHERE r.workflow_type IS NULL
       OR r.task_queue = 'workflow.workspace.' || r.workspace_id AND (:'any_workflow'::boolean OR r.workflow_type = ANY (:'workflow_types'::text[]))
    GROUP BY 1, 2
    UNION
    SELECT named.id, NULL FROM unnest(:'named'::uuid[]) AS named (id)
), workspaces AS MATERIALIZED (
    SELECT DISTINCT w.id FROM work w
), needs AS MATERIALIZED (
    -- What is current, because it may run in a moment, and what runs.
    SELECT w.id, t.type
    FROM workspaces w JOIN sluice.workflow_definitions d ON d.workspace_id = w.id
    JOIN sluice.workflow_definition_versions v ON v.workflow_definition_id = d.id AND v.version_number = d.version_number
    CROSS JOIN LATERAL unnest(v.workflow_types) AS t (type)
    WHERE NOT :'any_workflow'::boolean
    UNION
    SELECT w.id, t.type
    FROM work w JOIN sluice.workflow_definition_versions v ON v.id = w.version
    CROSS JOIN LATERAL unnest(v.workflow_types) AS t (type)
    WHERE NOT :'any_workflow'::boolean
    UNION
    SELECT w.id, r.workflow_type
    FROM workspaces w JOIN sluice.running r ON r.workspace_id = w.id AND r.task_queue = 'workflow.workspace.' || w.id
    WHERE NOT :'any_workflow'::boolean
), lacking AS MATERIALIZED (
    SELECT n.id FROM needs n WHERE n.type <> ALL (:'workflow_types'::text[]) GROUP BY n.id
), leaving AS (
    SELECT DISTINCT n.id
    FROM needs n JOIN lacking l ON l.id = n.id
    CROSS JOIN sluice.live_workers o
    CROSS JOIN LATERAL (SELECT n.type = ANY (:'workflow_types'::text[]) AS mine, o.any_workflow OR n.type = ANY (o.workflow_types) AS theirs) AS has
    WHERE o.id <> :'worker'::uuid
    GROUP BY n.id, o.id
    HAVING bool_or(has.theirs AND NOT has.mine) AND NOT bool_or(has.mine AND NOT has.theirs)
), elsewhere AS (
    SELECT h.id, bool_or(md5(o.id::text || h.id::text) < md5(:'worker'::uuid::text || h.id::text)) AS yields
    FROM sluice.live_workers o CROSS JOIN LATERAL unnest(o.workspaces) AS h (id)
    WHERE o.hosting AND o.id <> :'worker'::uuid AND :'crowded'::boolean
    GROUP BY h.id
)
SELECT w.id, l.id IS NOT NULL AS lacks, g.id IS NOT NULL AS leaves, e.id IS NOT NULL AS elsewhere, coalesce(e.yields, false) AS yields
FROM workspaces w LEFT JOIN lacking l USING (id) LEFT JOIN leaving g USING (id) LEFT JOIN elsewhere e USING (id);
