-- Makes the partitions of the coming days.
SELECT sluice.make_partitions();
