-- How many executions of a selection have ended with a status, by a time if one is given, and have not been replayed. Without that, without a
-- time before which they were enqueued, and without a workspace, type or error, an index tells all of it.
SELECT count(*) FROM sluice.ended e
WHERE e.reason IS NULL AND e.status <> 'COMPLETED' AND e.status = :'status'::text
      AND (:'ids'::uuid[] IS NULL OR e.id = ANY (:'ids'::uuid[]))
      AND (:'workspace'::uuid IS NULL OR e.workspace_id = :'workspace'::uuid)
      AND (:'type'::text IS NULL OR e.workflow_type = :'type'::text)
      AND (:'definition'::uuid IS NULL OR e.workflow_definition_id = :'definition'::uuid)
      AND (:'reason'::text IS NULL OR NULL::text = :'reason'::text)
      AND (:'error'::text IS NULL OR strpos(lower(e.error ->> 'message'), lower(:'error'::text)) > 0)
      AND (:'before'::timestamptz IS NULL OR e.created_at <= :'before'::timestamptz)
      AND (:'at'::timestamptz IS NULL OR e.ended_at <= :'at'::timestamptz)
      AND NOT EXISTS (SELECT FROM sluice.replays x WHERE x.replay_of = e.id);
