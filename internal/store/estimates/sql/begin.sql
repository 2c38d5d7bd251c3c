-- Begins to work out when items start, unless that was begun less than so many seconds ago, or less than so many times as long as it took.
UPDATE sluice.estimation SET began_at = clock_timestamp()
WHERE began_at + greatest(took * :'times'::float8, make_interval(secs => :'age'::float8)) <= clock_timestamp()
RETURNING true;
