-- The newest items before an id whose error, or that of their last start, has a text in it in letters of either case, at most so many: of a
-- workspace, or with NULL of all; of a definition, or of any; of a type, or of any; with a status, or with '' any; that ended for
-- a reason, or with '' any items. No index finds an error, so of each status the newest items are looked through, so many at most.
WITH outcome (status, refused) AS (
    VALUES ('FAILED', false), ('TIMED_OUT', false), ('TERMINATED', false), ('CANCELLED', false), ('FAILED', true), ('CANCELLED', true), ('EXPIRED', true)
), looked AS (
    (SELECT p.id, p.last_error AS error FROM sluice.pending p
     WHERE :'reason'::text = '' AND :'status'::text IN ('', 'PENDING') AND p.id < :'before'::uuid
       AND (:'workspace'::uuid IS NULL OR p.workspace_id = :'workspace'::uuid)
       AND (:'definition'::uuid IS NULL OR p.workflow_definition_id = :'definition'::uuid)
       AND (:'type'::text IS NULL OR p.workflow_type = :'type'::text)
     ORDER BY p.id DESC LIMIT :'look'::int)
    UNION ALL
    (SELECT r.id, concat(r.start_error, r.unserved) FROM sluice.running r
     WHERE :'reason'::text = '' AND :'status'::text IN ('', CASE WHEN r.dispatched_at IS NULL THEN 'CLAIMED' ELSE 'RUNNING' END, CASE WHEN r.dispatched_at IS NOT NULL THEN 'DISPATCHED' END)
       AND r.id < :'before'::uuid
       AND (:'workspace'::uuid IS NULL OR r.workspace_id = :'workspace'::uuid)
       AND (:'definition'::uuid IS NULL OR r.workflow_definition_id = :'definition'::uuid)
       AND (:'type'::text IS NULL OR r.workflow_type = :'type'::text)
     ORDER BY r.id DESC LIMIT :'look'::int)
    UNION ALL
    SELECT e.id, e.error FROM outcome o CROSS JOIN LATERAL (
        (SELECT e.id, e.error ->> 'message' AS error FROM sluice.ended e
         WHERE NOT o.refused AND :'reason'::text = '' AND :'status'::text IN ('', 'DISPATCHED', o.status)
           AND e.reason IS NULL AND e.status <> 'COMPLETED' AND e.status = o.status AND e.id < :'before'::uuid AND e.ended_at >= :'since'::timestamptz
           AND (:'workspace'::uuid IS NULL OR e.workspace_id = :'workspace'::uuid)
           AND (:'definition'::uuid IS NULL OR e.workflow_definition_id = :'definition'::uuid)
           AND (:'type'::text IS NULL OR e.workflow_type = :'type'::text)
         ORDER BY e.id DESC LIMIT :'look'::int)
        UNION ALL
        (SELECT e.id, concat(e.reason, ': ', e.error ->> 'message') FROM sluice.ended e
         WHERE o.refused AND :'reason'::text IN ('', e.reason) AND :'status'::text IN ('', o.status)
           AND e.reason IS NOT NULL AND e.status = o.status AND e.id < :'before'::uuid AND e.ended_at >= :'since'::timestamptz
           AND (:'workspace'::uuid IS NULL OR e.workspace_id = :'workspace'::uuid)
           AND (:'definition'::uuid IS NULL OR e.workflow_definition_id = :'definition'::uuid)
           AND (:'type'::text IS NULL OR e.workflow_type = :'type'::text)
         ORDER BY e.id DESC LIMIT :'look'::int)
    ) AS e
)
SELECT l.id FROM looked l WHERE strpos(lower(l.error), lower(:'error'::text)) > 0 ORDER BY l.id DESC LIMIT :'most'::int;
