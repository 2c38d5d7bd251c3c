-- How many items of a selection hold a slot: those that were started, or that were not, by the moment of the selection or also since.
SELECT count(*) FROM sluice.running r
WHERE (r.dispatched_at IS NOT NULL) = :'dispatched'::boolean
      AND (:'since'::boolean OR coalesce(r.dispatched_at, r.claimed_at) <= :'at'::timestamptz)
      AND (:'ids'::uuid[] IS NULL OR r.id = ANY (:'ids'::uuid[]))
      AND (:'workspace'::uuid IS NULL OR r.workspace_id = :'workspace'::uuid)
      AND (:'type'::text IS NULL OR r.workflow_type = :'type'::text)
      AND (:'definition'::uuid IS NULL OR r.workflow_definition_id = :'definition'::uuid)
      AND (:'reason'::text IS NULL OR split_part(coalesce(r.start_error, r.unserved), ': ', 1) = :'reason'::text)
      AND (:'error'::text IS NULL OR strpos(lower(concat(r.start_error, r.unserved)), lower(:'error'::text)) > 0)
      AND r.created_at <= :'before'::timestamptz;
