-- Deletes the limits for a time that are over: they do not hold any more.
DELETE FROM sluice.temporary_limits t WHERE t.until <= now();
