-- The newest items before an id whose workflow has this id, or that are this item and whose caller has chosen no id, at most so many: of
-- a workspace, or with NULL of all; of a definition, or of any; of a type, or of any; with a status, or with '' any; that ended for a reason, or
-- with '' any items; whose error, or that of their last start, has a text in it in letters of either case, or with '' any items. Of each table
-- the workspace's newest items of the id are looked through, so many at most: what others have of the id takes no place of these.
WITH looked AS (
    SELECT p.id, p.workflow_definition_id, p.workflow_type, 'PENDING' AS status, NULL AS execution_status, NULL AS reason, p.last_error AS error
    FROM (
        (SELECT p.* FROM sluice.pending p WHERE p.workflow_id = :'workflow'::text AND p.id < :'before'::uuid
           AND (:'workspace'::uuid IS NULL OR p.workspace_id = :'workspace'::uuid) ORDER BY p.id DESC LIMIT :'look'::int)
        UNION ALL
        SELECT p.* FROM sluice.pending p WHERE p.workflow_id IS NULL AND p.id = :'item'::uuid AND p.id < :'before'::uuid
          AND (:'workspace'::uuid IS NULL OR p.workspace_id = :'workspace'::uuid)
    ) AS p
    UNION ALL
    SELECT r.id, r.workflow_definition_id, r.workflow_type, CASE WHEN r.dispatched_at IS NULL THEN 'CLAIMED' ELSE 'DISPATCHED' END,
           CASE WHEN r.dispatched_at IS NOT NULL THEN 'RUNNING' END, NULL, concat(r.start_error, r.unserved)
    FROM (
        (SELECT r.* FROM sluice.running r WHERE r.workflow_id = :'workflow'::text AND r.id < :'before'::uuid
           AND (:'workspace'::uuid IS NULL OR r.workspace_id = :'workspace'::uuid) ORDER BY r.id DESC LIMIT :'look'::int)
        UNION ALL
        SELECT r.* FROM sluice.running r WHERE r.workflow_id IS NULL AND r.id = :'item'::uuid AND r.id < :'before'::uuid
          AND (:'workspace'::uuid IS NULL OR r.workspace_id = :'workspace'::uuid)
    ) AS r
    UNION ALL
    SELECT e.id, e.workflow_definition_id, e.workflow_type, CASE WHEN e.reason IS NULL THEN 'DISPATCHED' ELSE e.status END,
           CASE WHEN e.reason IS NULL THEN e.status END, e.reason, concat_ws(': ', e.reason, e.error ->> 'message')
    FROM (
        (SELECT e.* FROM sluice.ended e
         WHERE e.workflow_id = :'workflow'::text AND e.id < :'before'::uuid AND e.ended_at >= :'since'::timestamptz
           AND (:'workspace'::uuid IS NULL OR e.workspace_id = :'workspace'::uuid) ORDER BY e.id DESC LIMIT :'look'::int)
        UNION ALL
        SELECT e.* FROM sluice.ended e
        WHERE e.workflow_id IS NULL AND e.id = :'item'::uuid AND e.id < :'before'::uuid AND e.ended_at >= :'since'::timestamptz
          AND (:'workspace'::uuid IS NULL OR e.workspace_id = :'workspace'::uuid)
    ) AS e
)
SELECT l.id FROM looked l
WHERE (:'definition'::uuid IS NULL OR l.workflow_definition_id = :'definition'::uuid)
  AND (:'type'::text IS NULL OR l.workflow_type = :'type'::text)
  AND :'status'::text IN ('', l.status, l.execution_status) AND :'reason'::text IN ('', l.reason)
  AND (:'error'::text = '' OR strpos(lower(l.error), lower(:'error'::text)) > 0)
ORDER BY l.id DESC LIMIT :'most'::int;
