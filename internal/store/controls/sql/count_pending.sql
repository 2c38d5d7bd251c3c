-- How many pending items a selection has.
SELECT count(*) FROM sluice.pending p
WHERE (:'ids'::uuid[] IS NULL OR p.id = ANY (:'ids'::uuid[]))
      AND (:'workspace'::uuid IS NULL OR p.workspace_id = :'workspace'::uuid)
      AND (:'type'::text IS NULL OR p.workflow_type = :'type'::text)
      AND (:'definition'::uuid IS NULL OR p.workflow_definition_id = :'definition'::uuid)
      AND (:'reason'::text IS NULL OR split_part(p.last_error, ': ', 1) = :'reason'::text)
      AND (:'error'::text IS NULL OR strpos(lower(p.last_error), lower(:'error'::text)) > 0)
      AND p.created_at <= :'before'::timestamptz;
