-- Notes why starts have not told whether their workflows exist, and when each is tried again. One that is to stand aside, because
-- others do get answers, waits for half as long as it has failed, 1 to 30 s. Otherwise nothing may be wrong with it: it is tried
-- again at once, and after a minute every 5 s. Returns those of which that was not known.
UPDATE sluice.running r
SET start_error = e.error, start_error_since = coalesce(r.start_error_since, now()),
    start_again_at = now() + CASE
        WHEN e.aside THEN greatest(interval '1 second', least(interval '30 seconds', (now() - coalesce(r.start_error_since, now())) / 2))
        WHEN r.start_error_since < now() - interval '1 minute' THEN interval '5 seconds'
        ELSE interval '0' END
FROM unnest(:'ids'::uuid[], :'errors'::text[], :'aside'::bool[]) AS e (id, error, aside)
WHERE r.id = e.id AND r.dispatched_at IS NULL
RETURNING CASE WHEN r.start_error_since = now() THEN r.id END;
