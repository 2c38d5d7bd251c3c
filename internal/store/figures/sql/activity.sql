-- What operators, programs and recovery did, newest first, before a time and not before another, at most so many: what is on record beside the
-- items, and the newest changes of limits. Of all, or of one workspace; of everybody, or of one actor. It looks through the newest 20,000
-- of each.
SELECT a.* FROM (
    (SELECT l.at, l.actor, l.action, l.workspace_id, l.queue_id, coalesce(l.reason, '') AS reason, l.details FROM (
        SELECT l.* FROM sluice.activity_log l WHERE l.at < :'before'::timestamptz AND l.at >= :'since'::timestamptz ORDER BY l.at DESC LIMIT 20000) AS l
     WHERE (:'workspace'::uuid IS NULL OR l.workspace_id = :'workspace'::uuid) AND :'actor'::text IN ('', l.actor)
     ORDER BY l.at DESC LIMIT :'most'::int)
    UNION ALL
    (SELECT c.at, c.actor, c.action, c.workspace_id, NULL, coalesce(c.details ->> 'reason', ''), c.details - 'reason' FROM (
        SELECT c.* FROM sluice.limit_changes c WHERE c.at < :'before'::timestamptz AND c.at >= :'since'::timestamptz ORDER BY c.at DESC, c.id DESC LIMIT 20000) AS c
     WHERE (:'workspace'::uuid IS NULL OR c.workspace_id = :'workspace'::uuid) AND :'actor'::text IN ('', c.actor)
     ORDER BY c.at DESC LIMIT :'most'::int)
) AS a ORDER BY a.at DESC LIMIT :'most'::int;
