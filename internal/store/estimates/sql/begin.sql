-- Begins to work out when items start, unless that was begun less than so many seconds ago, or less than so many times as long as it took. What
-- was begun in the future was so while the clock was ahead.
UPDATE sluice.estimation SET began_at = clock_timestamp()
WHERE began_at + greatest(took * :'times'::float8, make_interval(secs => :'age'::float8)) <= clock_timestamp() OR began_at > clock_timestamp()
RETURNING true;
