-- Whether the role may write what waits, and the clock by which it would make ids is right enough; otherwise it can only have a
-- function do it.
SELECT has_table_privilege('sluice.pending', 'INSERT') AND sluice.made_at(:'id'::uuid) <= clock_timestamp();
