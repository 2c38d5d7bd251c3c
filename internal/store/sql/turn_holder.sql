-- Whose transaction holds the next turn of a shard, in words; NULL: nobody's.
SELECT sluice.turn_holder();
