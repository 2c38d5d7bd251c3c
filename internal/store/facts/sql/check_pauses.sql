-- Claims of what was paused: how many claims were looked at, how many of them were made while something of theirs was paused, and
-- the first of those. A pause holds from when it was written down, with its turn taken, until it was resumed, replaced or over. What
-- was given its slot back was not claimed. With a time, of what is open or has ended since; with NULL, of all there is. Where nothing
-- was ever paused nothing is read.
WITH record AS MATERIALIZED (
    SELECT c.action, c.at, c.actor, c.workspace_id, c.details ->> 'workflowType' AS workflow_type, (c.details ->> 'definitionId')::uuid AS definition_id,
           least((c.details ->> 'until')::timestamptz, lead(c.at) OVER (
               PARTITION BY CASE WHEN NOT c.details ? 'definitionId' THEN c.workspace_id END, c.details ->> 'workflowType', c.details ->> 'definitionId' ORDER BY c.at, c.id)) AS until
    FROM sluice.limit_changes c WHERE c.action IN ('paused', 'resumed')
), pauses AS MATERIALIZED (
    SELECT * FROM record r WHERE r.action = 'paused' AND (r.until > :'since'::timestamptz) IS NOT FALSE
), claims AS NOT MATERIALIZED (
    SELECT r.id, r.claimed_at AS at, r.workspace_id, r.workflow_type, r.workflow_definition_id FROM sluice.running r
    WHERE r.turn IS NOT NULL AND r.claimed_at > (SELECT min(p.at) FROM pauses p)
    UNION ALL
    SELECT e.id, e.claimed_at, e.workspace_id, e.workflow_type, e.workflow_definition_id FROM sluice.ended e
    WHERE e.reason IS NULL AND e.claimed_at > (SELECT min(p.at) FROM pauses p)
      AND e.ended_at >= (SELECT greatest(min(p.at), :'since'::timestamptz) FROM pauses p HAVING count(*) > 0)
), broken AS MATERIALIZED (
    SELECT DISTINCT ON (c.id) c.id, 'claimed at ' || c.at || ', while paused by ' || p.actor || ' since ' || p.at AS what
    FROM pauses p JOIN claims c ON c.at > p.at AND (c.at < p.until) IS NOT FALSE
      AND (p.workspace_id IS NULL OR p.definition_id IS NOT NULL OR p.workspace_id = c.workspace_id)
      AND (p.workflow_type IS NULL OR p.workflow_type = c.workflow_type)
      AND (p.definition_id IS NULL OR p.definition_id = c.workflow_definition_id)
    WHERE NOT EXISTS (SELECT FROM sluice.activity_log l WHERE l.queue_id = c.id AND l.action = 'reopened')
    ORDER BY c.id, p.at
), first AS (
    SELECT b.id, b.what FROM broken b ORDER BY b.id LIMIT :'most'::int
)
SELECT (SELECT count(*) FROM claims) AS checked, (SELECT count(*) FROM broken) AS broken,
       ARRAY(SELECT f.id FROM first f ORDER BY f.id) AS ids, ARRAY(SELECT f.what FROM first f ORDER BY f.id) AS whats;
