-- Notes that the dispatcher of a shard waits to be notified.
INSERT INTO sluice.listeners (shard, token) VALUES (:'shard'::int, :'token'::uuid)
ON CONFLICT (shard) DO UPDATE SET token = excluded.token, since = now();
