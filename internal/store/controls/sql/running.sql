-- The next items of a selection that hold a slot, by their ids, at most so many, and how their workflows are known: those that were started
-- by the moment of the selection, or were claimed by then and are not started. With NULL both, and what was claimed or started since.
SELECT r.id AS item_id, r.workspace_id, coalesce(r.workflow_id, 'execution-' || r.id) AS workflow_id, coalesce(r.engine_run_id, '') AS run_id,
       r.workflow_type IS NOT NULL AS own
FROM sluice.running r
WHERE r.id > :'after'::uuid
      AND (:'dispatched'::boolean IS NULL
           OR (r.dispatched_at IS NOT NULL) = :'dispatched'::boolean AND coalesce(r.dispatched_at, r.claimed_at) <= :'at'::timestamptz)
      AND (:'ids'::uuid[] IS NULL OR r.id = ANY (:'ids'::uuid[]))
      AND (:'workspace'::uuid IS NULL OR r.workspace_id = :'workspace'::uuid)
      AND (:'type'::text IS NULL OR r.workflow_type = :'type'::text)
      AND (:'definition'::uuid IS NULL OR r.workflow_definition_id = :'definition'::uuid)
      AND (:'reason'::text IS NULL OR split_part(coalesce(r.start_error, r.unserved), ': ', 1) = :'reason'::text)
      AND (:'error'::text IS NULL OR strpos(lower(concat(r.start_error, r.unserved)), lower(:'error'::text)) > 0)
      AND r.created_at <= :'before'::timestamptz
ORDER BY r.id LIMIT :'most'::int;
