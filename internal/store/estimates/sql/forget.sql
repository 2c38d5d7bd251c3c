-- Deletes the curves that were made before.
DELETE FROM sluice.estimates WHERE made_at < :'made_at'::timestamptz;
