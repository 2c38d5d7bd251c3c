-- Deletes what else there is of a workspace that is gone: its log, its place in line, its estimates, events that tell of its arrivals, and the
-- record of its limits. Claims of what is retained of others in a cohort are judged by what it brought into that, so the limits
-- of one that was ever in a cohort stay as long as those claims, without its name, its key and reasons.
WITH log AS (
    DELETE FROM sluice.activity_log l WHERE l.workspace_id = :'workspace'::uuid
), place AS (
    DELETE FROM sluice.virtual_times v WHERE v.workspace_id = :'workspace'::uuid
), estimates AS (
    DELETE FROM sluice.estimates x WHERE x.workspace_id = :'workspace'::uuid
), replays AS (
    DELETE FROM sluice.replays x WHERE x.workspace_id = :'workspace'::uuid
), arrivals AS (
    DELETE FROM sluice.events e WHERE e.workspace_id = :'workspace'::uuid
), lent AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM sluice.limit_changes c WHERE c.workspace_id = :'workspace'::uuid AND c.details ? 'cohort') AS ever
), unnamed AS (
    UPDATE sluice.limit_changes c SET details = c.details - '{name,externalKey,reason}'::text[] FROM lent
    WHERE lent.ever AND c.workspace_id = :'workspace'::uuid AND c.action NOT IN ('paused', 'resumed')
)
DELETE FROM sluice.limit_changes c USING lent WHERE (NOT lent.ever OR c.action IN ('paused', 'resumed')) AND c.workspace_id = :'workspace'::uuid;
