-- Changes how many shards there are. Their dispatchers are known from then on, although one that begins paused takes its
-- shard over when it is resumed.
WITH changed AS (
    UPDATE sluice.settings SET shards = :'shards'::int, updated_at = now() WHERE shards <> :'shards'::int
)
INSERT INTO sluice.dispatchers (shard) SELECT generate_series(0, :'shards'::int - 1) ON CONFLICT DO NOTHING;
