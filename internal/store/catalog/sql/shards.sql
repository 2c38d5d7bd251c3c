-- How many shards there are.
SELECT coalesce((SELECT s.shards FROM sluice.settings s), 1);
