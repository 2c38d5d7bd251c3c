-- The times for which slots were held: of these workspaces, or with NULL of all; those that are held or have been given
-- back since a time, or with NULL all. Those that are held come first, then those that were given back last.
SELECT r.id, r.workspace_id, r.claimed_at AS "from", NULL::timestamptz AS "to" FROM sluice.running r
WHERE :'workspaces'::uuid[] IS NULL OR r.workspace_id = ANY (:'workspaces'::uuid[])
UNION ALL
SELECT e.id, e.workspace_id, e.claimed_at, e.ended_at FROM sluice.ended e
WHERE (:'workspaces'::uuid[] IS NULL OR e.workspace_id = ANY (:'workspaces'::uuid[]))
  AND e.reason IS NULL AND e.ended_at >= coalesce(:'since'::timestamptz, '-infinity')
  AND e.ended_at <> e.claimed_at -- the outcome of an item that was pending again: it held no slot
  AND (e.ended_at <= now()) IS NOT FALSE -- the end is by a clock that was ahead: for how long a slot was held is not on record
ORDER BY "to" DESC NULLS FIRST;
