-- The newest executions before an id that have completed, at most so many: of a workspace, or with NULL of all; of a
-- definition, or of any; of a type, or of any.
SELECT e.id FROM sluice.ended e
WHERE e.status = 'COMPLETED' AND e.id < :'before'::uuid AND e.ended_at >= :'since'::timestamptz
  AND (:'workspace'::uuid IS NULL OR e.workspace_id = :'workspace'::uuid)
  AND (:'definition'::uuid IS NULL OR e.workflow_definition_id = :'definition'::uuid)
  AND (:'type'::text IS NULL OR e.workflow_type = :'type'::text)
ORDER BY e.id DESC LIMIT :'most'::int;
