-- Notes once a second that a shard is short of slots of the global limit. One that was short in the future, because the clock was ahead, begins anew.
INSERT INTO sluice.shortages AS q (shard, weight, more, asked_at, served)
SELECT :'shard'::int, greatest(:'weight'::bigint, 1), :'more'::int, now(),
       coalesce((SELECT min(o.served) FROM sluice.shortages o
                 WHERE o.shard <> :'shard'::int AND o.asked_at BETWEEN now() - interval '3 seconds' AND now() + interval '3 seconds'), 0)
FROM sluice.settings n WHERE n.max_concurrent_workflows IS NOT NULL AND n.shards > 1
ON CONFLICT (shard) DO UPDATE SET weight = EXCLUDED.weight, more = EXCLUDED.more, asked_at = EXCLUDED.asked_at,
    served = CASE WHEN q.asked_at BETWEEN now() - interval '3 seconds' AND now()
                  THEN q.served + extract(epoch FROM now() - q.asked_at) / EXCLUDED.weight * (SELECT a.slots FROM sluice.allotments a WHERE a.shard = EXCLUDED.shard)
                  ELSE EXCLUDED.served END
WHERE q.asked_at NOT BETWEEN now() - interval '1 second' AND now();
