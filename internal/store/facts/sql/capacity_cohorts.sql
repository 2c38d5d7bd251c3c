-- What the members of each cohort lend one another, with a backlog or not, how much of it is in use, and where the cohort stands in
-- its shard.
SELECT m.*, coalesce(c.own, 0) AS own, coalesce(c.borrowed, 0) AS borrowed,
       coalesce(c.own_clock, 0) AS own_clock, coalesce(c.borrowed_clock, 0) AS borrowed_clock
FROM (
    SELECT min(sluice.shard_of(q.workspace_id, q.cohort, s.shards)) AS shard, q.cohort, sum(q.nominal - own.reserved) AS nominal,
           sum(greatest(0, coalesce(used.n, 0) - own.reserved))::bigint AS used, sum(q.weight) AS weight
    FROM sluice.settings s CROSS JOIN sluice.quotas q
    CROSS JOIN LATERAL (SELECT CASE WHEN q.lending_limit IS NULL THEN 0 ELSE greatest(0, q.nominal - q.lending_limit) END AS reserved) AS own
    LEFT JOIN (SELECT r.workspace_id, count(*) AS n FROM sluice.running r GROUP BY 1) AS used ON used.workspace_id = q.workspace_id
    WHERE q.cohort IS NOT NULL GROUP BY q.cohort
) AS m
LEFT JOIN sluice.clocks c ON c.shard = m.shard AND c.cohort = m.cohort
ORDER BY m.cohort;
