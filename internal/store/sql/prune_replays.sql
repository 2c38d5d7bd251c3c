-- Deletes what replays which, of items that lie behind the retention, at most so many: the first had ended before. While a partition is there in
-- which that may be, it could be replayed again.
DELETE FROM sluice.replays x WHERE x.replay_of = ANY (ARRAY(
    SELECT o.replay_of FROM sluice.replays o CROSS JOIN sluice.settings s WHERE s.retention > '0' AND o.at <= now() - s.retention
        AND o.at < coalesce((SELECT min(p.from_at) FROM sluice.partitions p WHERE p.parent = 'ended'), 'infinity') LIMIT :'most'::int));
