-- How many items of a selection FAILED before they started and can be retried: their time is not over, and their unique key is no other's. Of
-- several with one key one can.
SELECT count(*) FILTER (WHERE e.unique_key IS NULL) + count(DISTINCT (e.workspace_id, e.unique_key)) FILTER (WHERE e.unique_key IS NOT NULL)
FROM sluice.ended e
WHERE e.status = 'FAILED' AND e.reason IS NOT NULL AND (e.expires_at <= now()) IS NOT TRUE AND e.ended_at <= :'at'::timestamptz
      AND (:'ids'::uuid[] IS NULL OR e.id = ANY (:'ids'::uuid[]))
      AND (:'workspace'::uuid IS NULL OR e.workspace_id = :'workspace'::uuid)
      AND (:'type'::text IS NULL OR e.workflow_type = :'type'::text)
      AND (:'definition'::uuid IS NULL OR e.workflow_definition_id = :'definition'::uuid)
      AND (:'reason'::text IS NULL OR e.reason = :'reason'::text)
      AND (:'error'::text IS NULL OR strpos(lower(concat(e.reason, ': ', e.error ->> 'message')), lower(:'error'::text)) > 0)
      AND e.created_at <= :'before'::timestamptz
      AND NOT EXISTS (SELECT FROM sluice.unique_keys k
                      WHERE k.workspace_id = e.workspace_id AND k.unique_key = e.unique_key AND k.queue_id <> e.id);
