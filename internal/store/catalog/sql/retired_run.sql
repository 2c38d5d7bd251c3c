-- The last run of a shard's dispatcher that has retired; empty where there is none.
SELECT coalesce((SELECT d.retired_run FROM sluice.dispatchers d WHERE d.shard = :'shard'::int), '');
