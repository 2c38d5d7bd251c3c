-- The statements that make the partitions of so many days before today, as sluice.make_partitions makes those to come.
SELECT format('CREATE TABLE sluice.%1$I (LIKE sluice.ended INCLUDING ALL); ALTER TABLE sluice.ended ATTACH PARTITION sluice.%1$I FOR VALUES FROM (%2$L) TO (%3$L);
    INSERT INTO sluice.partitions VALUES (%1$L, ''ended'', %2$L, %3$L)', 'ended_' || to_char(d.day AT TIME ZONE 'UTC', 'YYYYMMDD'), d.day, d.day + interval '24 hours')
FROM (SELECT date_trunc('day', now(), 'UTC') - n * interval '24 hours' AS day FROM generate_series(1, $1::int) AS n) AS d;
