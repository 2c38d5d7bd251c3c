-- A shard has as many slots of the global limit as it can use.
DELETE FROM sluice.shortages q WHERE q.shard = :'shard'::int;
