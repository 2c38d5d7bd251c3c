-- The executions whose slot was compared with Temporal longest ago.
SELECT r.id FROM sluice.running r
WHERE r.dispatched_at IS NOT NULL AND r.checked_at < now() - :'age'::interval
ORDER BY r.checked_at, r.id LIMIT :'most'::int;
