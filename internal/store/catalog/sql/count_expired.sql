-- How many FAILED items would be retried if their expiry had not passed.
SELECT count(*) FROM sluice.ended e
WHERE e.status = 'FAILED' AND e.reason IS NOT NULL AND e.expires_at <= now()
  AND (:'ids'::uuid[] IS NULL OR e.id = ANY (:'ids'::uuid[])
       AND e.ended_at >= (SELECT min(sluice.made_at(i.id)) FROM unnest(:'ids'::uuid[]) AS i (id)))
  AND (:'workspace'::uuid IS NULL OR e.workspace_id = :'workspace'::uuid)
  AND (:'reason'::text = '' OR e.reason = :'reason'::text);
