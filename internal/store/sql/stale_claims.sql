-- Claims that no dispatcher has taken up, nor tried to start lately, oldest first; those from the future too, which
-- a clock that was ahead has left.
SELECT r.id FROM sluice.running r
WHERE r.dispatched_at IS NULL AND (coalesce(r.start_again_at, r.claimed_at) < now() - :'age'::interval OR greatest(r.start_again_at, r.claimed_at) > now() + interval '1 minute')
ORDER BY r.claimed_at, r.id LIMIT :'most'::int;
