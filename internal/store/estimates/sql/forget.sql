-- Deletes the curves that were made at another time: before, or while the clock was ahead.
DELETE FROM sluice.estimates WHERE made_at <> :'made_at'::timestamptz;
