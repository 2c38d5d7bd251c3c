-- Puts virtual times on record, unless another process has claimed since. Every statement that writes those of many
-- workspaces does so in the order of their ids, or two could deadlock.
WITH mine AS MATERIALIZED (
    SELECT WHERE (SELECT max(t.turn) FROM sluice.turns t WHERE t.shard = :'shard'::int) = :'turn'::bigint
), kept AS (
    INSERT INTO sluice.clocks (shard, cohort, own_clock, borrowed_clock, own, borrowed, slot_time, longest)
    SELECT :'shard'::int, c.* FROM mine
    CROSS JOIN unnest(:'cohorts'::text[], :'own_clocks'::bigint[], :'borrowed_clocks'::bigint[], :'cohorts_own'::bigint[], :'cohorts_borrowed'::bigint[],
        :'cohorts_slot_time'::float8[], :'longest'::float8[]) AS c
    ON CONFLICT (shard, cohort) DO UPDATE SET own_clock = excluded.own_clock, borrowed_clock = excluded.borrowed_clock,
        own = excluded.own, borrowed = excluded.borrowed, slot_time = excluded.slot_time, longest = excluded.longest
)
INSERT INTO sluice.virtual_times (workspace_id, own, borrowed, slot_time, slot_times)
SELECT v.* FROM mine
CROSS JOIN unnest(:'workspaces'::uuid[], :'own'::bigint[], :'borrowed'::bigint[], :'slot_time'::float8[], :'slot_times'::jsonb[]) AS v
ON CONFLICT (workspace_id) DO UPDATE SET own = excluded.own, borrowed = excluded.borrowed, slot_time = excluded.slot_time,
    slot_times = excluded.slot_times;
