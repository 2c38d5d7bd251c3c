-- Takes a turn for each workspace of claims that are about to be released: a claim that is planned on them must not commit before
-- it has heard. It comes before the rows are touched, as in every statement that takes a turn, or two could deadlock.
SELECT sluice.take_owners_turn('regained', whose.workspace_id)
FROM (SELECT DISTINCT sluice.shard_of(r.workspace_id, (SELECT w.cohort FROM sluice.workspaces w WHERE w.id = r.workspace_id), s.shards) AS shard, r.workspace_id
      FROM sluice.running r CROSS JOIN sluice.settings s WHERE r.id = ANY (:'ids'::uuid[]) ORDER BY 1, 2) AS whose;
