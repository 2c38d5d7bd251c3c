-- The newest pending items before an id, at most so many: of a workspace, or with NULL of all; of a definition, or of any;
-- of a type, or of any. What
-- a workspace has pending is read all, from the index of its lines: by id it could be far behind what others have.
(SELECT p.id FROM sluice.pending p
 WHERE :'workspace'::uuid IS NULL AND p.id < :'before'::uuid
   AND (:'definition'::uuid IS NULL OR p.workflow_definition_id = :'definition'::uuid)
   AND (:'type'::text IS NULL OR p.workflow_type = :'type'::text)
 ORDER BY p.id DESC LIMIT :'most'::int)
UNION ALL
(SELECT p.id FROM (
     SELECT q.id FROM sluice.pending q
     WHERE :'workspace'::uuid IS NOT NULL AND q.workspace_id = :'workspace'::uuid AND q.id < :'before'::uuid
       AND (:'definition'::uuid IS NULL OR q.workflow_definition_id = :'definition'::uuid)
       AND (:'type'::text IS NULL OR q.workflow_type = :'type'::text) OFFSET 0) AS p
 ORDER BY p.id DESC LIMIT :'most'::int);
