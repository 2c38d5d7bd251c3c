-- What a dispatcher knows of its shard as a whole: the newest turn, the turn of its run, the settings, its clocks.
SELECT pg_current_snapshot()::text, now(), (SELECT max(t.turn) FROM sluice.turns t WHERE t.shard = :'shard'::int),
       coalesce(d.turn, 0), s.shards, s.ageing_step, s.max_concurrent_workflows,
       (SELECT a.slots FROM sluice.allotments a WHERE a.shard = :'shard'::int)
FROM sluice.settings s LEFT JOIN sluice.dispatchers d ON d.shard = :'shard'::int;
