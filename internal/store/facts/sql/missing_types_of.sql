-- The workflow types that an execution which runs needs on its workspace's task queue, and that no live worker has. A workflow of
-- one's own, whose worker need not tell of itself, needs its type if nobody carries it on.
SELECT t.workflow_type
FROM sluice.running r LEFT JOIN sluice.workflow_definition_versions v ON v.id = r.workflow_version_id
CROSS JOIN LATERAL unnest(v.workflow_types || CASE WHEN r.unserved_since IS NOT NULL AND r.task_queue = 'workflow.workspace.' || r.workspace_id
    THEN r.workflow_type END) AS t (workflow_type)
WHERE r.id = :'id'::uuid AND t.workflow_type IS NOT NULL
  AND NOT EXISTS (SELECT FROM sluice.live_workers w WHERE w.any_workflow OR t.workflow_type = ANY (w.workflow_types))
ORDER BY 1;
