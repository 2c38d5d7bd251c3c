-- How many executions of a selection that have ended with these statuses would be replayed, by status, as replay does it: one status after
-- the other, oldest first. What was replayed is not counted, nor what has an id that an item holds which waits or runs; of several with one id one is.
WITH selected AS (
    SELECT e.status, e.workspace_id,
           CASE WHEN e.trigger_type IN ('CLIENT', 'REPLAY') AND starts_with(e.unique_key, 'workflow/') THEN e.unique_key END AS id_key
    FROM sluice.ended e
    WHERE e.reason IS NULL AND e.status <> 'COMPLETED' AND e.status = ANY (:'statuses'::text[])
      AND (:'ids'::uuid[] IS NULL OR e.id = ANY (:'ids'::uuid[]))
      AND (:'workspace'::uuid IS NULL OR e.workspace_id = :'workspace'::uuid)
      AND (:'type'::text IS NULL OR e.workflow_type = :'type'::text)
      AND (:'definition'::uuid IS NULL OR e.workflow_definition_id = :'definition'::uuid)
      AND (:'reason'::text IS NULL OR NULL::text = :'reason'::text)
      AND (:'error'::text IS NULL OR strpos(lower(e.error ->> 'message'), lower(:'error'::text)) > 0)
      AND e.created_at <= :'before'::timestamptz
      AND (:'at'::timestamptz IS NULL OR e.ended_at <= :'at'::timestamptz)
      AND NOT EXISTS (SELECT FROM sluice.replays x WHERE x.replay_of = e.id)
), first AS (
    SELECT s.workspace_id, s.id_key, (:'statuses'::text[])[min(array_position(:'statuses'::text[], s.status))] AS status
    FROM selected s WHERE s.id_key IS NOT NULL GROUP BY 1, 2
)
SELECT u.status, sum(u.n)::bigint AS n FROM (
    SELECT s.status, count(*) AS n FROM selected s WHERE s.id_key IS NULL GROUP BY 1
    UNION ALL
    SELECT f.status, count(*) FROM first f LEFT JOIN sluice.unique_keys k ON k.workspace_id = f.workspace_id AND k.unique_key = f.id_key
    WHERE NOT EXISTS (SELECT FROM sluice.pending p WHERE p.id = k.queue_id) AND NOT EXISTS (SELECT FROM sluice.running r WHERE r.id = k.queue_id)
    GROUP BY 1
) AS u GROUP BY 1;
