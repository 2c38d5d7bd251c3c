-- How many FAILED items would be retried if their expiry had not passed.
SELECT count(*) FROM sluice.ended e
WHERE e.status = 'FAILED' AND e.reason IS NOT NULL AND e.expires_at <= now()
  AND (:'ids'::uuid[] IS NULL OR e.id = ANY (:'ids'::uuid[])
       AND e.ended_at >= (SELECT min(sluice.made_at(i.id)) FROM unnest(:'ids'::uuid[]) AS i (id)))
  AND (:'workspace'::uuid IS NULL OR e.workspace_id = :'workspace'::uuid)
  AND (:'reason'::text = '' OR e.reason = :'reason'::text)
  AND (:'type'::text IS NULL OR e.workflow_type = :'type'::text)
  AND (:'definition'::uuid IS NULL OR e.workflow_definition_id = :'definition'::uuid)
  AND (:'error'::text IS NULL OR strpos(lower(concat(e.reason, ': ', e.error ->> 'message')), lower(:'error'::text)) > 0)
  AND (e.created_at <= :'before'::timestamptz) IS NOT FALSE AND (e.ended_at <= :'ended_before'::timestamptz) IS NOT FALSE;
