-- The snapshot in which a look reads, after which the next one goes on, and the database's clock.
SELECT pg_current_snapshot()::text AS mark, clock_timestamp() AS now;
