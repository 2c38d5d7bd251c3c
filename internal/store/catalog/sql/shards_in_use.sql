-- The shards there are, and those beyond them whose dispatcher is not known to have retired.
SELECT shard FROM sluice.settings s CROSS JOIN generate_series(0, s.shards - 1) AS shard
UNION
SELECT d.shard FROM sluice.dispatchers d WHERE d.retired_run IS DISTINCT FROM d.run_id
ORDER BY shard;
