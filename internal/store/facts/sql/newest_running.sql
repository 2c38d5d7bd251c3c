-- The newest items before an id that hold a slot, at most so many: of a workspace, or with NULL of all; of a definition, or of
-- any; of a type, or of any; dispatched, not yet, or with NULL both.
SELECT r.id FROM sluice.running r
WHERE r.id < :'before'::uuid AND (:'workspace'::uuid IS NULL OR r.workspace_id = :'workspace'::uuid)
  AND (:'definition'::uuid IS NULL OR r.workflow_definition_id = :'definition'::uuid)
  AND (:'type'::text IS NULL OR r.workflow_type = :'type'::text)
  AND (r.dispatched_at IS NOT NULL) = coalesce(:'dispatched'::boolean, r.dispatched_at IS NOT NULL)
ORDER BY r.id DESC LIMIT :'most'::int;
