-- The history of the global limit, oldest first.
SELECT c.at, (c.details ->> 'maxConcurrentWorkflows')::int AS "limit"
FROM sluice.limit_changes c WHERE c.action = 'settings-changed' ORDER BY c.at, c.id;
