-- The slots that are held, since when, and whether a worker carries them on.
SELECT r.workspace_id, r.available_at, r.claimed_at, r.unserved_since IS NOT NULL AS stuck FROM sluice.running r;
