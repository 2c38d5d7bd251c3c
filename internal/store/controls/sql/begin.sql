-- The moment at which a selection is made, and that before which its items were enqueued.
SELECT now() AS at, now() - coalesce(:'older'::interval, interval '0') AS before;
