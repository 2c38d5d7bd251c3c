-- Deletes what replays which, of items that lie behind the retention, at most so many: the first had ended before.
DELETE FROM sluice.replays x WHERE x.replay_of = ANY (ARRAY(
    SELECT o.replay_of FROM sluice.replays o CROSS JOIN sluice.settings s WHERE s.retention > '0' AND o.at <= now() - s.retention LIMIT :'most'::int));
