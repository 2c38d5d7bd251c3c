-- Claims that no dispatcher has taken up, nor tried to start lately, oldest first.
SELECT r.id FROM sluice.running r
WHERE r.dispatched_at IS NULL AND coalesce(r.start_again_at, r.claimed_at) < now() - :'age'::interval
ORDER BY r.claimed_at, r.id LIMIT :'most'::int;
