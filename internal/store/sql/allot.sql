-- Asks for more slots of the global limit, and tells whether there may be any.
SELECT sluice.allot(:'shard'::int, :'more'::int);
