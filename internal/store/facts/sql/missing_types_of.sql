-- The workflow types that an execution which runs needs on its workspace's task queue, and that no live worker has.
SELECT t.workflow_type
FROM sluice.running r JOIN sluice.workflow_definition_versions v ON v.id = r.workflow_version_id
CROSS JOIN LATERAL unnest(v.workflow_types) AS t (workflow_type)
WHERE r.id = :'id'::uuid
  AND NOT EXISTS (SELECT FROM sluice.live_workers w WHERE w.any_workflow OR t.workflow_type = ANY (w.workflow_types))
ORDER BY 1;
