-- Takes pending rows away whose items hold a slot or have ended. What the rows said stays in the log: who wrote them may
-- have meant something.
WITH twice AS (
    DELETE FROM sluice.pending p
    WHERE p.id = ANY (:'ids'::uuid[])
      AND (EXISTS (SELECT FROM sluice.running r WHERE r.id = p.id)
           OR EXISTS (SELECT FROM sluice.ended e WHERE e.id = p.id AND e.ended_at >= sluice.made_at(p.id)))
    RETURNING p.*
), logged AS (
    INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason, details)
    SELECT 'dispatcher', 'dropped', t.workspace_id, t.id, 'duplicate', jsonb_build_object('enqueuedBy', t.enqueued_by, 'createdAt', t.created_at)
    FROM twice t
)
SELECT t.id FROM twice t;
