-- Drops a partition that lies behind the retention, if no other transaction has it locked.
SELECT sluice.drop_partition(:'name'::text);
