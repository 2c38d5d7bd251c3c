-- Deletes the pauses whose time is over: they do not hold any more.
DELETE FROM sluice.pauses p WHERE p.until <= now();
