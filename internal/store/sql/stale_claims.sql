-- Claims that no dispatcher has taken up, oldest first.
SELECT r.id FROM sluice.running r
WHERE r.dispatched_at IS NULL AND r.claimed_at < now() - :'age'::interval
ORDER BY r.claimed_at, r.id LIMIT :'most'::int;
