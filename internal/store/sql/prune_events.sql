-- Deletes events that no dispatcher reads any more: old ones, and those whose transaction ids this cluster has not come to, which
-- a dump has brought from another.
DELETE FROM sluice.events e
WHERE e.ctid = ANY (ARRAY(SELECT old.ctid FROM sluice.events old WHERE old.at < now() - :'age'::interval OR old.xid >= pg_snapshot_xmax(pg_current_snapshot()) LIMIT :'most'::int));
