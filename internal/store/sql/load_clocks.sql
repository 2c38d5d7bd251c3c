-- The clocks of a shard, and those of each of its cohorts.
SELECT c.cohort, c.own_clock, c.borrowed_clock, c.own, c.borrowed, coalesce(c.slot_time, 0), coalesce(c.longest, 0) FROM sluice.clocks c WHERE c.shard = :'shard'::int;
