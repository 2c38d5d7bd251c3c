-- Takes the next turn of a shard, if it is the one that is expected, for what the kind says.
INSERT INTO sluice.turns (shard, turn, kind)
SELECT :'shard'::int, :'turn'::bigint, :'kind'::text
WHERE coalesce((SELECT max(t.turn) FROM sluice.turns t WHERE t.shard = :'shard'::int), 0) = :'turn'::bigint - 1
ON CONFLICT DO NOTHING;
