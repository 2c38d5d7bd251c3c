-- What a dispatcher knows of its shard as a whole: the newest turn, the turn of its run, the settings. A
-- journal that has been emptied begins anew.
SELECT pg_current_snapshot()::text, now(), coalesce((SELECT max(t.turn) FROM sluice.turns t WHERE t.shard = :'shard'::int), 0),
       coalesce(d.turn, 0), s.shards, s.ageing_step, s.fairness = 'slot-time', s.max_concurrent_workflows,
       coalesce((SELECT a.slots FROM sluice.allotments a WHERE a.shard = :'shard'::int), 0)
FROM sluice.settings s LEFT JOIN sluice.dispatchers d ON d.shard = :'shard'::int;
