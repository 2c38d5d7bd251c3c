-- Deletes events that no dispatcher reads any more.
DELETE FROM sluice.events e
WHERE e.ctid = ANY (ARRAY(SELECT old.ctid FROM sluice.events old WHERE old.at < now() - :'age'::interval LIMIT :'most'::int));
