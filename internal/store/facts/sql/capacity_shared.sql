-- For each shard the database's clock, the shard's virtual clocks, and what all workspaces together may hold and, where
-- that is bounded, do hold.
SELECT n.shard, now() AS now, s.max_concurrent_workflows AS "limit",
       CASE WHEN s.max_concurrent_workflows IS NULL THEN 0 ELSE (SELECT count(*) FROM sluice.running) END AS used,
       coalesce(c.own_clock, 0) AS own_clock, coalesce(c.borrowed_clock, 0) AS borrowed_clock,
       s.fairness = 'slot-time' AS counts_slot_time, coalesce(c.slot_time, 0) AS slot_time, coalesce(c.longest, 0) AS longest
FROM sluice.settings s
CROSS JOIN generate_series(0, s.shards - 1) AS n (shard)
LEFT JOIN sluice.clocks c ON c.shard = n.shard AND c.cohort = ''
ORDER BY n.shard;
