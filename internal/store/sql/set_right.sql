-- Makes items available that were enqueued to start at once while the clock was ahead: they would wait until that time comes. Items that were
-- scheduled keep their time. Only an event from the future tells that there may be such items; without one no item is read. Rows that
-- another transaction has locked are left out. Returns how many.
WITH ahead AS MATERIALIZED (
    SELECT p.id FROM sluice.pending p
    WHERE EXISTS (SELECT FROM sluice.events e WHERE e.at > now() + interval '2 seconds')
      AND p.created_at > now() + interval '2 seconds' AND p.available_at <= p.created_at
    FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE sluice.pending p SET created_at = now(), available_at = now() FROM ahead a WHERE p.id = a.id
    RETURNING p.workspace_id, p.priority
), event AS (
    INSERT INTO sluice.events (workspaces, priority, available_at)
    SELECT array_agg(DISTINCT m.workspace_id), min(m.priority), now() FROM moved m HAVING count(*) > 0
)
SELECT count(*) FROM moved m;
