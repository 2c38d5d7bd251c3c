-- The clocks of a shard, and those of each of its cohorts.
SELECT c.cohort, c.own_clock, c.borrowed_clock, c.own, c.borrowed FROM sluice.clocks c WHERE c.shard = :'shard'::int;
