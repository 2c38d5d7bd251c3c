-- The executions whose slot was compared with Temporal longest ago. A clock that was ahead leaves times from the future: they say
-- nothing.
SELECT r.id FROM sluice.running r
WHERE r.dispatched_at IS NOT NULL AND (r.checked_at < now() - :'age'::interval OR r.checked_at > now() + interval '1 minute')
ORDER BY r.checked_at, r.id LIMIT :'most'::int;
