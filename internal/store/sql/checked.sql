-- Notes that slots are rightly held, and since when no worker completes a workflow task, and which. The ids are in order, and
-- the waits and what waits are theirs: NULL where all is well. Returns those of which that was not known.
WITH before AS (
    SELECT r.id, r.unserved_since, (:'waits'::interval[])[width_bucket(r.id, :'ids'::uuid[])] AS waits FROM sluice.running r
    WHERE r.id = ANY (:'ids'::uuid[]) ORDER BY r.id FOR UPDATE
), noted AS (
    UPDATE sluice.running r
    SET checked_at = now(), unserved_since = CASE WHEN b.waits IS NOT NULL THEN coalesce(b.unserved_since, now() - b.waits) END,
        unserved = (:'whats'::text[])[width_bucket(b.id, :'ids'::uuid[])]
    FROM before b WHERE r.id = b.id
)
SELECT b.id FROM before b WHERE b.waits IS NOT NULL AND b.unserved_since IS NULL;
