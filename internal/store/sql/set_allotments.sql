-- Sets what each shard may hold of the global limit, unless what was decided on is past.
SELECT sluice.set_allotments(:'limit'::int, :'slots'::int[]);
